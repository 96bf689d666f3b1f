"""wrong_cacher.py run -- COMMAND...: a cacher that is wrong on purpose.

It believes that arguments and folder say everything: what a command once gave is given again.
It writes the same kind of journal as procache. The scenarios must catch it.
"""

import hashlib
import os
import pickle
import subprocess
import sys
import time

import msgpack


def tree() -> dict[str, bytes]:
    """The files of the folder and their contents."""
    found = {}
    for folder, _, names in os.walk("."):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[path] = file.read()
    return found


def main() -> int:
    command = [os.fsencode(word) for word in sys.argv[sys.argv.index("--") + 1 :]]
    store = os.path.join(os.environ["PROCACHE_DIR"], "v2")
    os.makedirs(os.path.join(store, "runs"), exist_ok=True)
    key = hashlib.sha256(repr((command, os.getcwd())).encode()).hexdigest()
    record = os.path.join(store, key)
    hit = os.path.exists(record)
    if not hit:
        before = tree()
        done = subprocess.run(command, capture_output=True)
        after = {path: data for path, data in tree().items() if before.get(path) != data}
        with open(record, "wb") as file:
            pickle.dump((done.returncode, done.stdout, done.stderr, after), file)
    with open(record, "rb") as file:
        status, out, err, files = pickle.load(file)
    for path, data in files.items():
        with open(path, "wb") as file:
            file.write(data)
    os.write(1, out)
    os.write(2, err)
    outcome = {"outcome": "hit"} if hit else {"outcome": "miss", "reasons": [{"code": "no-record"}]}
    entry = {
        "t": "exec",
        "id": 0,
        "parent": None,
        "argv": command,
        "reasons": [],
        "status": status,
        **outcome,
    }
    with open(os.path.join(store, "runs", f"{time.time_ns()}.journal"), "wb") as file:
        file.write(msgpack.packb(entry))
    return int(status)


sys.exit(main())
