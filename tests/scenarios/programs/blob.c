/* blob BYTES [SEED]: write so many bytes of a fixed sequence, every byte value among them. */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **argv) {
    static unsigned char block[1 << 16];
    uint64_t state = count > 2 ? strtoull(argv[2], 0, 10) : 1;
    for (long left = atol(argv[1]); left > 0;) {
        long length = left < (long)sizeof block ? left : (long)sizeof block;
        for (long i = 0; i < length; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            block[i] = state >> 56;
        }
        for (long done = 0, put; done < length; done += put)
            if ((put = write(1, block + done, length - done)) < 0) return 1;
        left -= length;
    }
    return 0;
}
