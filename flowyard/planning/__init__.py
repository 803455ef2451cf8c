"""Planning in detail: what the files want, what is there, and the content key that compares them."""
