"""The text of F1: which key does what."""

HELP = """\
Tab                 the other pane
Enter, →            open a directory; details of a file
Backspace, ←        the directory above
Space, Insert       mark, and go on; * marks the others
/                   filter: part of a name, or *.h5; Esc ends it
o                   sort by name, size, time
~                   home
F2, Ctrl-R          list again
F3, i               details: checksums, tape, QoS, labels
F5, c               copy to the other pane
F6, r               rename, or move within one storage
F7, n               make a directory
F8, Delete, d       delete; asks first
F9, p               another place: this machine, or a profile
s                   a link for others, with a QR code
t                   bring files from tape to disk
x                   the queue: stop a transfer, or see its failures
z                   one pane as wide as the screen; z again: two
Esc                 stop a listing; take marks and filter away
F10, q              quit

Mouse: click, double-click, wheel; the right button marks; a click on a
title sorts. The line at the bottom is the command that does the same.
"""
