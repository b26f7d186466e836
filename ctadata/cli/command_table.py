"""The commands of both programs: name, module, function, and the line that the help shows.

The help of a group and the completion of command names read this table alone: no command module is imported for them.
A summary here is the first line of the function's docstring; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ctadata.cli.options import AT_PLATFORM


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """One command.

    Attributes:
        module: The module below `ctadata.cli.commands`.
        function: The function in that module; its parameters are the options.
        summary: The line in the help of all commands.
        settings: Further settings of the command's parser (click's `context_settings`).
    """

    module: str
    function: str
    summary: str
    settings: dict[str, Any] = field(default_factory=dict)


Sections = dict[str, dict[str, CommandEntry]]
"""Commands by their names, below the headings of the help. A name of two words belongs to a group (`cache list`)."""

_SIZES_BY_H = {"help_option_names": ["--help"]}
"""The settings of a command whose `-h` prints sizes with units, as with `ls` and `du`; `-h` alone is help there too."""

DIRECT_COMMANDS: Sections = {
    "Log in": {
        "start-agent": CommandEntry("agent", "start_agent", "Log in, and keep the login fresh."),
        "agent-status": CommandEntry("agent", "agent_status", "Show the state of the agent and of the login."),
        "stop-agent": CommandEntry("agent", "stop_agent", "Stop the agent; its last token stays until it expires."),
        "logout": CommandEntry("agent", "logout", "End the agent and the login."),
        "agent-log": CommandEntry("agent", "agent_log", "Show what the agent did: refreshes, failures, its end."),
    },
    "Show files": {
        "list": CommandEntry("list", "list_", "List a directory, or one file.", _SIZES_BY_H),
        "stat": CommandEntry("stat", "stat", "Show all that is known about files and directories."),
        "exists": CommandEntry("stat", "exists", "Exit with 0 if all names exist, with 3 if one is missing."),
        "tree": CommandEntry("tree", "tree", "Draw the trees below directories.", _SIZES_BY_H),
        "du": CommandEntry("du", "du", "Add up the sizes of the files in directories.", _SIZES_BY_H),
        "find": CommandEntry("find", "find", "Find files and directories below directories."),
        "checksum": CommandEntry("checksum", "checksum", "Show the storage's checksums, without reading the files."),
        "browse": CommandEntry("browse", "browse", "Browse files in two panes, here and there, and copy them."),
        "get-home": CommandEntry("stat", "get_home", "Print the path of your home on the storage."),
    },
    "Transfer files": {
        "get": CommandEntry("get", "get", "Get files, verified."),
        "local": CommandEntry("local", "local", "Print the local paths of verified copies."),
        "cat": CommandEntry("cat", "cat", "Write the bytes of files, one after the other."),
        "put": CommandEntry("put", "put", "Put files, verified."),
        "sync": CommandEntry("sync", "sync", "Make a directory equal to another one."),
        "copy": CommandEntry("copy", "copy", "Copy files from one site to another, past this machine."),
        "runs": CommandEntry("runs", "runs", "List or show running transfers, and the last ones."),
        "runs list": CommandEntry("runs", "list_runs", "List the transfers that go on, and the last ones."),
        "runs show": CommandEntry("runs", "show_run", "Show a transfer that goes on, or one of the last ones."),
        "verify": CommandEntry("verify", "verify", "Verify the files of a receipt."),
        "receipts merge": CommandEntry("receipts", "merge", "Write one receipt with the last line about each file."),
        "receipts summary": CommandEntry(
            "receipts", "summary", "Show the sums of receipts: files, bytes, failures, time."
        ),
    },
    "Change files and directories": {
        "mkdir": CommandEntry("mkdir", "mkdir", "Make directories."),
        "mv": CommandEntry("mv", "mv", "Rename or move files and directories on the storage."),
        "rm": CommandEntry("rm", "rm", "Delete files, and with -r directories."),
        "rmdir": CommandEntry("rm", "rmdir", "Delete empty directories."),
        "share": CommandEntry("share", "share", "Make a link that opens a file to others, for some time."),
    },
    "More of dCache: tape, quota, metadata": {
        "locality": CommandEntry("tape", "locality", "Show where the bytes of files are: on disk or on tape."),
        "stage": CommandEntry("tape", "stage", "Request files that are on tape, without waiting for them."),
        "stage-status": CommandEntry(
            "tape", "stage_status", "Show which files of a stage request are on disk already."
        ),
        "release": CommandEntry("tape", "release", "End a stage request, when you no longer need its files."),
        "quota": CommandEntry("dcache", "quota", "Show how much you may store, and how much you have stored."),
        "qos": CommandEntry("dcache", "qos", "Show or change the quality of service of a file."),
        "label": CommandEntry("dcache", "label", "Show or change the labels of a file."),
        "xattr": CommandEntry("dcache", "xattr", "Show or change the extended attributes of a file."),
    },
    "More of S3: keys, buckets, aliases": {
        "credentials import": CommandEntry(
            "credentials", "import_credentials", "Keep the access key that comes on standard input."
        ),
        "credentials show": CommandEntry(
            "credentials",
            "show_credentials",
            "Show the access key in use, its origin and its lifetime.",
        ),
        "credentials forget": CommandEntry(
            "credentials", "forget_credentials", "Forget the access key that was imported."
        ),
        "buckets": CommandEntry("buckets", "buckets", "List your buckets at an S3 store."),
        "make-bucket": CommandEntry("buckets", "make_bucket", "Make buckets at an S3 store."),
        "remove-bucket": CommandEntry("buckets", "remove_bucket", "Remove buckets of an S3 store."),
        "alias": CommandEntry("alias", "alias", "Give a file at an S3 store further names."),
        "bucket-info": CommandEntry(
            "buckets", "show_bucket_info", "Show the settings of a bucket: versions, lifecycle, CORS, policy."
        ),
        "multipart list": CommandEntry("multipart", "list_uploads", "List uploads in parts that have not ended."),
        "multipart abort": CommandEntry(
            "multipart", "abort_uploads", "Abort uploads in parts that have not ended, and so delete their parts."
        ),
        "undelete": CommandEntry(
            "versions", "undelete", "Bring deleted files of an S3 store back, if its bucket keeps versions."
        ),
    },
    "Tokens for other programs": {
        "get-token": CommandEntry("agent", "get_token", "Print a valid token, for other programs."),
        "token inspect": CommandEntry(
            "token", "inspect_token", "Explain a token: issuer, audience, end, scopes, groups, limits."
        ),
        "env": CommandEntry("exec", "env", "Print the lines that a shell evaluates for other programs."),
        # the words after the program's name are the program's own options
        "exec": CommandEntry(
            "exec", "exec_", "Run a program that finds a fresh token.", {"allow_interspersed_args": False}
        ),
    },
    "Settings, diagnosis, test storage": {
        "config": CommandEntry("config", "config", "Show each setting and where it comes from."),
        "config init": CommandEntry("config_init", "init", "Write a profile for a site, and try it first."),
        "doctor": CommandEntry("doctor", "doctor", "Check everything that a transfer needs, and say what to do."),
        "cache list": CommandEntry("cache", "list_cache", "List what is kept on this machine: records and copies."),
        "cache clear": CommandEntry("cache", "clear_cache", "Remove all records and copies on this machine."),
        "sandbox": CommandEntry("sandbox", "sandbox", "Run a small storage of your own, to try things out."),
    },
}
"""The commands of `cta-data-direct`."""

_ALL_DIRECT = {name: entry for section in DIRECT_COMMANDS.values() for name, entry in section.items()}

PLATFORM_COMMANDS: Sections = {
    "Files": {name: entry for name, entry in _ALL_DIRECT.items() if name in AT_PLATFORM},
    "Certificates": {
        "upload-personal-certificate": CommandEntry(
            "certificates", "upload_personal_certificate", "Let the platform open the storage with your certificate."
        ),
        "upload-shared-certificate": CommandEntry(
            "certificates",
            "upload_shared_certificate",
            "Set the certificate for users who have none; for admins.",
        ),
        "certificate-status": CommandEntry(
            "certificates",
            "certificate_status",
            "Show the shared certificate, and which storages open.",
        ),
    },
    "Log in for cta-data-direct": {
        "start-agent": _ALL_DIRECT["start-agent"],
        "agent-status": _ALL_DIRECT["agent-status"],
        "stop-agent": _ALL_DIRECT["stop-agent"],
        "print-token": _ALL_DIRECT["get-token"],  # the name that scripts of the platform know
        "get-token": _ALL_DIRECT["get-token"],
        "logout": _ALL_DIRECT["logout"],
    },
}
"""The commands of `cta-data`: those that go through the platform's services, and those of the agent."""

GROUP_HELP = {
    "token": "Explain a token.",
    "credentials": "Import, show or forget the access key of an S3 profile.",
    "receipts": "Merge or add up the receipts of many runs.",
    "multipart": "List or abort uploads in parts that have not ended.",
    "cache": "List or clear the records and the copies on this machine.",
}
"""The help of each group of commands."""


def direct_only() -> set[str]:
    """Return the names of the commands that `cta-data-direct` has and `cta-data` has not."""
    return _ALL_DIRECT.keys() - {name for section in PLATFORM_COMMANDS.values() for name in section}
