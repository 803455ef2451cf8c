"""The command line: its words, what each verb does with them, and how what comes of it is printed."""
