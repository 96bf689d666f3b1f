"""Small C files with the headers of real programs: ccache's home ground."""

from __future__ import annotations

from pathlib import Path

from benchmarks.workloads.base import Workload, write_all

DRIVER = """\
for path in src/*.c; do
    n=${path#src/} n=${n%.c}
    ${CC:-gcc} -O2 -Wall -Isrc -c src/$n.c -o out/$n.o
done
"""

HEADER = """\
#ifndef TABLE_H
#define TABLE_H
#include <stddef.h>

struct row { char key[32]; double value; struct row *next; };
struct table { size_t buckets; struct row **rows; };
#endif
"""

SOURCE = """\
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "table.h"

static size_t hash_NN(const char *key, size_t buckets)
{
    size_t h = NN + 5381;
    while (*key)
        h = h * 33 ^ (unsigned char)*key++;
    return h % buckets;
}

int put_NN(struct table *table, const char *key, double value)
{
    size_t bucket = hash_NN(key, table->buckets);
    struct row *row = malloc(sizeof *row);
    if (!row)
        return -ENOMEM;
    snprintf(row->key, sizeof row->key, "%s", key);
    row->value = sqrt(value) + NN;
    row->next = table->rows[bucket];
    table->rows[bucket] = row;
    return 0;
}

int save_NN(const struct table *table, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0)
        return -errno;
    for (size_t i = 0; i < table->buckets; i++)
        for (const struct row *row = table->rows[i]; row; row = row->next)
            dprintf(fd, "%s %g\\n", row->key, row->value);
    return close(fd);
}
"""


def compiles(jobs: int) -> Workload:
    names = [f"unit{number:02}" for number in range(jobs)]
    changed = names[len(names) // 2]

    def fill(folder: Path) -> None:
        sources = {f"src/{name}.c": SOURCE.replace("NN", name[4:].lstrip("0") or "0") for name in names}
        write_all(folder, {"driver.sh": DRIVER, "src/table.h": HEADER, **sources})

    def change(folder: Path) -> None:
        with (folder / "src" / f"{changed}.c").open("a") as file:
            file.write("\nint added(void) { return 1; }\n")

    return Workload(
        name="compiles",
        title=f"{len(names)} × gcc -O2 -c",
        family="compiles",
        jobs=len(names),
        needs=("gcc",),
        command=("sh", "driver.sh"),
        fill=fill,
        change=change,
        contenders=("native", "procache", "ccache"),
    )
