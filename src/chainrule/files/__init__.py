"""Files that Chainrule writes and reads: data only, nothing in them is ever executed."""
