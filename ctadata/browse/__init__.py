"""Show two panes of files, on this machine and at the sites, and move files between them: `cta-data-direct browse`.

The panes list through a `Session`, and the queue reports through a `Reporter`: what happens to a file is decided below,
as for every other command. Textual draws the screen and reads keyboard and mouse.

    pip install 'ctadata[browse]'
"""
