"""What every test shares: the options of the suite and the guard of the network."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="with the real servers and clients; a missing one is a failure")
    parser.addoption("--soak", action="store_true", help="long counts in full")
    parser.addoption("--seed", type=int, help="repeat a run of the random tests")
