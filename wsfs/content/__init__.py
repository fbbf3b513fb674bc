"""The content of attachments: fetched once, kept on disk, read at the speed of the disk.

`cache` is the disk, `fetch` what readers see of it, `attachment` how a read finds its bytes, `policy` what is fetched
and finished.
"""
