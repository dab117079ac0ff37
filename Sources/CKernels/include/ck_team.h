#pragma once
#include <stddef.h>

/*
 * A team of worker threads for loops of a few microseconds. A decoding step has about a hundred of them.
 *
 * The caller takes part. It does not wait for a worker that is still asleep when no tiles are left, so a
 * short loop costs no more than it would alone. After a loop, workers look for the next one for about fifty
 * microseconds, and then sleep.
 */

/*
 * Calls body(context, tile) for each tile in 0 ..< tiles, on at most `threads` threads, and returns when all
 * are done. Within a tile, or while another thread's loop runs, the caller computes all tiles by itself.
 */
void ck_team_run(size_t threads, size_t tiles, void (*body)(void *context, size_t tile), void *context);
