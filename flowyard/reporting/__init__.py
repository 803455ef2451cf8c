"""What a command did, told beside its output: to a CI job, in a comment on a merge request, as a page."""
