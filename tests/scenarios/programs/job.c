/* job N [FOLDER]: read FOLDER/in/N, write it in capitals to FOLDER/out/N, say how much it was. */
#include <ctype.h>
#include <stdio.h>

int main(int count, char **argv) {
    const char *folder = count > 2 ? argv[2] : ".";
    char from[4096], to[4096];
    snprintf(from, sizeof from, "%s/in/%s", folder, argv[1]);
    snprintf(to, sizeof to, "%s/out/%s", folder, argv[1]);
    FILE *in = fopen(from, "r"), *out = in ? fopen(to, "w") : 0;
    if (!out) return perror(in ? to : from), 1;
    long total = 0;
    for (int c; (c = getc(in)) != EOF; total++) putc(toupper(c), out);
    printf("job %s: %ld bytes\n", argv[1], total);
    return fclose(out);
}
