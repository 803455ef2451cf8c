"""Docker tasks: a flow of another image that is called like a function.

In the image of the caller: `task` is what flows write, `calls` makes the flow run, `waiting` notices its end,
`outcome` says what came of it. In the image of the called: `child` brings the arguments in and keeps the value.
`watch` runs beside both, in the process that outlives the flow's. Prefect is imported inside functions only:
a flow's module is imported where nobody calls anything.
"""
