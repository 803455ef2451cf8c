"""Building in detail: what a build needs, how BuildKit's progress is read, and hints for what fails."""
