"""The cache folder: records by command key, blobs by digest, the hash memo, journals of runs.

Only this package knows paths inside the folder.
"""
