#pragma once

/*
 * Asks the C library to keep freed memory for the next step in place of giving it back to the system at once: its pages
 * would have to be handed out and cleared anew. Does nothing where the C library is not glibc.
 */
void ck_keep_freed_memory(void);
