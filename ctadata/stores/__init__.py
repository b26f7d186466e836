"""Places that hold files, behind one small Store."""
