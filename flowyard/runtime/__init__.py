"""The small part of Flowyard that lies in every image: it describes, starts and reads back the image's flows.

It imports nothing of the rest of the package and runs on every Python a flow may use, because it is copied
into the image as files, next to dependencies it does not choose.
"""
