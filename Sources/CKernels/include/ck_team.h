#pragma once
#include <stddef.h>

/*
 * A team of worker threads for loops of a few microseconds, as decoding has a hundred of in each step.
 *
 * The caller takes part. A worker that is still asleep when the tiles are gone is not waited for, so that a short
 * loop costs no more than it would alone. After a loop workers look out for the next one for some fifty microseconds,
 * and then sleep.
 */

/*
 * Calls body(context, tile) for each tile in 0 ..< tiles, on at most `threads` threads, and returns when all are done.
 * From within a tile, or while another thread's loop runs, the caller computes all tiles by itself.
 */
void ck_team_run(size_t threads, size_t tiles, void (*body)(void *context, size_t tile), void *context);
