#include "ck_team.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() ((void)0)
#endif

enum { MOST_WORKERS = 255, LOOKOUT_NANOSECONDS = 50000, LOOKS = 64, WAITS_BEFORE_YIELD = 4096 };

/*
 * The present loop. `epoch` is odd while workers may join. The other fields are written only while none can
 * join.
 */
static struct {
  _Atomic uint64_t epoch;
  /* Workers that have joined, and those that are about to notice that they came too late. */
  _Atomic size_t inside;
  /* Workers that may still join. */
  _Atomic ptrdiff_t places;
  _Atomic size_t next;
  size_t tiles;
  void (*body)(void *, size_t);
  void *context;
} job;

/* Held by the thread that runs the present loop. */
static atomic_flag busy = ATOMIC_FLAG_INIT;
static size_t worker_count;

static pthread_mutex_t sleep_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake_up = PTHREAD_COND_INITIALIZER;
static _Atomic size_t sleeping;

static void compute_tiles(void) {
  size_t tile;
  while ((tile = atomic_fetch_add_explicit(&job.next, 1, memory_order_relaxed)) < job.tiles)
    job.body(job.context, tile);
}

static uint64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Waits until a loop other than `last` is open.  - Returns: its epoch. */
static uint64_t awaited(uint64_t last) {
  uint64_t epoch, end = nanoseconds() + LOOKOUT_NANOSECONDS;
  do {
    for (int look = 0; look < LOOKS; look++) {
      epoch = atomic_load(&job.epoch);
      if (epoch % 2 && epoch != last) return epoch;
      PAUSE();
    }
  } while (nanoseconds() < end);
  pthread_mutex_lock(&sleep_lock);
  atomic_fetch_add(&sleeping, 1);
  while (epoch = atomic_load(&job.epoch), epoch % 2 == 0 || epoch == last) pthread_cond_wait(&wake_up, &sleep_lock);
  atomic_fetch_sub(&sleeping, 1);
  pthread_mutex_unlock(&sleep_lock);
  return epoch;
}

static void *work(void *unused) {
  for (uint64_t last = 0;;) {
    last = awaited(last);
    /*
     * When the loop closes, either the closing thread sees this worker inside, or this worker sees the loop
     * closed.
     */
    atomic_fetch_add(&job.inside, 1);
    if (atomic_load(&job.epoch) == last && atomic_fetch_sub(&job.places, 1) > 0) compute_tiles();
    atomic_fetch_sub(&job.inside, 1);
  }
  return unused;
}

static void hire(size_t wanted) {
  while (worker_count < wanted && worker_count < MOST_WORKERS) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, NULL) != 0) return;
    pthread_detach(thread);
    worker_count++;
  }
}

static void open_loop(size_t threads, size_t tiles, void (*body)(void *, size_t), void *context) {
  job.tiles = tiles;
  job.body = body;
  job.context = context;
  atomic_store(&job.next, 0);
  atomic_store(&job.places, (ptrdiff_t)threads - 1);
  atomic_fetch_add(&job.epoch, 1);
  if (atomic_load(&sleeping)) {
    pthread_mutex_lock(&sleep_lock);
    pthread_cond_broadcast(&wake_up);
    pthread_mutex_unlock(&sleep_lock);
  }
}

static void close_loop(void) {
  atomic_fetch_add(&job.epoch, 1);
  for (size_t waits = 0; atomic_load(&job.inside); waits++) {
    if (waits < WAITS_BEFORE_YIELD) PAUSE();
    else sched_yield();
  }
}

void ck_team_run(size_t threads, size_t tiles, void (*body)(void *context, size_t tile), void *context) {
  if (threads > tiles) threads = tiles;
  if (threads <= 1 || atomic_flag_test_and_set_explicit(&busy, memory_order_acquire)) {
    for (size_t tile = 0; tile < tiles; tile++) body(context, tile);
    return;
  }
  hire(threads - 1);
  open_loop(threads, tiles, body, context);
  compute_tiles();
  close_loop();
  atomic_flag_clear_explicit(&busy, memory_order_release);
}
