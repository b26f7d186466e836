"""Transfer files between a store and this machine, or between two stores: plan, move, verify, publish.

A file is transferred whole or not at all. The journey of one file: `plan`, then `download_file` (`segmented_download`)
or `upload_file` (`upload_attempt`). `run` has what all files of a run share, `worker_pool` the workers, `report` the
outcomes.
"""
