/* threads COUNT: each thread makes its own file t/N and adds up in memory; then the sum is said. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_long sum;

static void *work(void *number) {
    char name[64];
    snprintf(name, sizeof name, "t/%ld", (long)(intptr_t)number);
    FILE *file = fopen(name, "w");
    if (!file) return 0;
    fprintf(file, "thread %ld\n", (long)(intptr_t)number);
    sum += (intptr_t)number;
    fclose(file);
    return 0;
}

int main(int count, char **argv) {
    pthread_t threads[64];
    int total = atoi(argv[1]);
    for (int i = 0; i < total; i++) pthread_create(threads + i, 0, work, (void *)(intptr_t)i);
    for (int i = 0; i < total; i++) pthread_join(threads[i], 0);
    FILE *in = fopen("in", "r");
    char text[64] = "";
    if (in && fgets(text, sizeof text, in)) printf("%ld %s", (long)sum, text);
    return 0;
}
