/* The emulator: fibers, and the scheduler of one block's threads. See simt.hpp. */
#include "simt.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <mutex>

#if defined(__SANITIZE_ADDRESS__)
#define SIMT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIMT_SANITIZED 1
#endif
#endif

#ifdef SIMT_SANITIZED
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
/* For functions that are abandoned. Otherwise their variables would stay marked as in use. */
#define SIMT_UNCHECKED __attribute__((no_sanitize_address))
#else
#define SIMT_UNCHECKED
#endif

/* The shared arrays of all kernels, if the compiler has put them in one section; see __shared__. */
extern "C" {
extern unsigned char __start_simt_shared[] __attribute__((weak, visibility("hidden")));
extern unsigned char __stop_simt_shared[] __attribute__((weak, visibility("hidden")));
}

/*
 * Saves the registers that a call must preserve on this stack, stores the stack pointer at *from, and
 * continues at `to`.
 */
extern "C" void simt_switch(void **from, void *to);

#if defined(__x86_64__)
asm(R"(
    .text
    .globl simt_switch
    .hidden simt_switch
    .type simt_switch, @function
simt_switch:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size simt_switch, .-simt_switch
)");
#elif defined(__aarch64__)
asm(R"(
    .text
    .globl simt_switch
    .hidden simt_switch
    .type simt_switch, %function
simt_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
    .size simt_switch, .-simt_switch
)");
#else
#error "simt.cpp: no fiber switch for this processor; expected x86-64 or aarch64"
#endif

namespace simt {

unsigned schedule_seed = 0;

namespace {

constexpr size_t stack_bytes = 256 * 1024;
constexpr unsigned most_threads = 1024;
constexpr unsigned char poison = 0xFF; /* four or two of them are a NaN of either type */

/*
 * Stacks for the threads of one block. An unreadable page is below each. Pages are used as they are touched.
 */
struct Stacks {
    char *memory = nullptr;
    size_t stride = 0;

    Stacks() {
        const size_t page = size_t(sysconf(_SC_PAGESIZE));
        stride = stack_bytes + page;
        void *mapped = mmap(nullptr, stride * most_threads, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapped == MAP_FAILED) throw std::bad_alloc();
        memory = static_cast<char *>(mapped);
        for (unsigned i = 0; i < most_threads; i++) mprotect(memory + i * stride, page, PROT_NONE);
    }
    char *bottom(unsigned thread) const { return memory + (thread + 1) * stride - stack_bytes; }
};

/* Numbers that a seed fixes (xorshift). */
struct Random {
    uint64_t state;
    explicit Random(uint64_t seed) : state(seed * 0x9E3779B97F4A7C15u + 0x2545F4914F6CDD1Du) {}
    unsigned below(unsigned bound) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return unsigned((state >> 33) % bound);
    }
};

struct Warp {
    std::vector<unsigned> ready; /* lanes that can run */
    std::vector<std::unique_ptr<Meeting>> meetings;
};

/* One launch. */
struct Launch {
    dim3 grid, block, block_index;
    void (*body)(void *) = nullptr;
    void *context = nullptr;
    std::vector<Thread> threads;
    std::vector<Warp> warps;
    void *shared_memory = nullptr;
    size_t shared_bytes = 0;
    unsigned at_barrier = 0, ended = 0;
    bool vote = false, result_of_vote = false; /* of the barrier that gathers, of the last one */
    Thread *running = nullptr;
    Random random{0};
    std::string failure;
    void *scheduler_stack_pointer = nullptr;
    void *scheduler_fake_stack = nullptr;
    const void *scheduler_stack = nullptr;
    size_t scheduler_stack_size = 0;
};

Launch *active = nullptr;
std::mutex one_at_a_time;

Stacks &stacks() {
    static Stacks stacks;
    return stacks;
}

unsigned number(const Thread &thread) { return thread.warp * warp_size + thread.lane; }

SIMT_UNCHECKED void to_scheduler(bool ends) {
    Thread &thread = *active->running;
#ifdef SIMT_SANITIZED
    __sanitizer_start_switch_fiber(ends ? nullptr : &thread.fake_stack, active->scheduler_stack,
                                   active->scheduler_stack_size);
#else
    (void)ends;
#endif
    simt_switch(&thread.stack_pointer, active->scheduler_stack_pointer);
#ifdef SIMT_SANITIZED
    __sanitizer_finish_switch_fiber(thread.fake_stack, &active->scheduler_stack, &active->scheduler_stack_size);
#endif
}

void to_thread(Thread &thread) {
    active->running = &thread;
#ifdef SIMT_SANITIZED
    __sanitizer_start_switch_fiber(&active->scheduler_fake_stack, stacks().bottom(number(thread)), stack_bytes);
#endif
    simt_switch(&active->scheduler_stack_pointer, thread.stack_pointer);
#ifdef SIMT_SANITIZED
    __sanitizer_finish_switch_fiber(active->scheduler_fake_stack, nullptr, nullptr);
#endif
}

/* The entry of every fiber. It never returns. */
[[noreturn]] SIMT_UNCHECKED void thread_entry() {
#ifdef SIMT_SANITIZED
    __sanitizer_finish_switch_fiber(nullptr, &active->scheduler_stack, &active->scheduler_stack_size);
#endif
    active->body(active->context);
    Thread &thread = *active->running;
    for (const auto &group : thread.copy_groups)
        if (!group.empty()) fail("ended with asynchronous copies that it never waited for");
    thread.state = Thread::State::ended;
    active->ended++;
    to_scheduler(true);
    __builtin_trap();
}

void prepare(Thread &thread) {
    char *bottom = stacks().bottom(number(thread));
    void **top = reinterpret_cast<void **>(bottom + stack_bytes);
#if defined(__x86_64__)
    /* Six registers, and the address that `ret` takes. The stack is then as it is just after a call. */
    *--top = nullptr;
    *--top = reinterpret_cast<void *>(&thread_entry);
    for (int i = 0; i < 6; i++) *--top = nullptr;
#else
    top -= 20;
    std::fill(top, top + 20, nullptr);
    top[11] = reinterpret_cast<void *>(&thread_entry); /* x30 */
#endif
    thread.stack_pointer = top;
    thread.fake_stack = nullptr;
    thread.state = Thread::State::ready;
    thread.meeting = nullptr;
    thread.copy_groups.assign(1, {});
}

void make_ready(Thread &thread) {
    thread.state = Thread::State::ready;
    active->warps[thread.warp].ready.push_back(thread.lane);
}

void fill_shared_memory() {
    std::memset(active->shared_memory, poison, active->shared_bytes);
    if (__start_simt_shared) std::memset(__start_simt_shared, poison, size_t(__stop_simt_shared - __start_simt_shared));
}

/* A description of the threads that wait for ever. */
std::string deadlock() {
    unsigned meeting = 0;
    const Thread *one = nullptr;
    for (const Thread &thread : active->threads)
        if (thread.state == Thread::State::in_meeting && !meeting++) one = &thread;
    std::string text = "deadlock: of " + std::to_string(active->threads.size()) + " threads "
        + std::to_string(active->at_barrier) + " wait at __syncthreads, " + std::to_string(meeting)
        + " for lanes of their warp, " + std::to_string(active->ended) + " have ended";
    if (one) {
        char masks[96];
        std::snprintf(masks, sizeof masks, " (warp %u: mask %08x, arrived %08x)", one->warp, one->meeting->mask,
                      one->meeting->arrived);
        text += masks;
    }
    return text;
}

/*
 * The warp to run next; none when no thread can run. `last` runs on for a while when schedules are shuffled.
 */
int next_warp(int last) {
    int candidates[most_threads / warp_size];
    unsigned count = 0;
    for (size_t i = 0; i < active->warps.size(); i++)
        if (!active->warps[i].ready.empty()) candidates[count++] = int(i);
    if (!count) return -1;
    if (schedule_seed == 0) return candidates[0];
    if (schedule_seed == 1) return candidates[count - 1];
    bool goes_on = last >= 0 && !active->warps[size_t(last)].ready.empty() && active->random.below(8) != 0;
    return goes_on ? last : candidates[active->random.below(count)];
}

void order(std::vector<unsigned> &items) {
    std::sort(items.begin(), items.end());
    if (schedule_seed == 1) std::reverse(items.begin(), items.end());
    if (schedule_seed > 1)
        for (size_t i = items.size(); i > 1; i--) std::swap(items[i - 1], items[active->random.below(unsigned(i))]);
}

/* Ends the launch. Its threads never continue, and their stacks are used again. */
[[noreturn]] void abandon(const std::string &why) {
#ifdef SIMT_SANITIZED
    for (const Thread &thread : active->threads)
        __asan_unpoison_memory_region(stacks().bottom(number(thread)), stack_bytes);
#endif
    throw Failure(why);
}

void run_block() {
    fill_shared_memory();
    active->at_barrier = active->ended = 0;
    active->vote = false;
    for (Warp &warp : active->warps) {
        warp.ready.clear();
        for (auto &meeting : warp.meetings) meeting->mask = 0;
    }
    for (Thread &thread : active->threads) {
        prepare(thread);
        make_ready(thread);
    }
    int warp = -1;
    std::vector<unsigned> lanes;
    while (active->ended < active->threads.size()) {
        warp = next_warp(warp);
        if (warp < 0) abandon(deadlock());
        lanes.clear();
        lanes.swap(active->warps[size_t(warp)].ready);
        order(lanes);
        for (unsigned lane : lanes) {
            to_thread(active->threads[size_t(warp) * warp_size + lane]);
            if (!active->failure.empty()) abandon(active->failure);
        }
    }
}

void perform(Copy &copy) {
    if (copy.is_done) return;
    std::memset(copy.target, 0, copy.size);
    std::memcpy(copy.target, copy.source, copy.valid);
    copy.is_done = true;
}

std::string triple(dim3 index) {
    return "(" + std::to_string(index.x) + ", " + std::to_string(index.y) + ", " + std::to_string(index.z) + ")";
}

} // namespace

Thread &current() { return *active->running; }
dim3 block_index() { return active->block_index; }
dim3 block_size() { return active->block; }
dim3 grid_size() { return active->grid; }

void *dynamic_shared() { return active->shared_memory; }

void fail(const char *format, ...) {
    char what[512];
    const dim3 block = active->block_index, thread = current().index;
    int length = std::snprintf(what, sizeof what, "block (%u, %u, %u) thread (%u, %u, %u): ", block.x, block.y, block.z,
                               thread.x, thread.y, thread.z);
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(what + length, sizeof what - size_t(length), format, arguments);
    va_end(arguments);
    active->failure = what;
    to_scheduler(true);
    __builtin_trap();
}

bool block_barrier(bool vote) {
    Thread &thread = current();
    active->vote |= vote;
    if (++active->at_barrier == active->threads.size()) {
        active->at_barrier = 0;
        active->result_of_vote = active->vote;
        active->vote = false;
        for (Thread &other : active->threads)
            if (other.state == Thread::State::at_barrier) make_ready(other);
        make_ready(thread);
    } else {
        thread.state = Thread::State::at_barrier;
    }
    to_scheduler(false);
    return active->result_of_vote;
}

Meeting *arrive(uint32_t mask, Collective kind, const void *value, size_t size) {
    Thread &thread = current();
    Warp &warp = active->warps[thread.warp];
    if (!(mask >> thread.lane & 1)) fail("lane %u is not in the mask it names", thread.lane);
    Meeting *meeting = nullptr, *unused = nullptr;
    for (auto &each : warp.meetings) {
        bool gathers = each->mask && each->arrived != each->mask;
        if (!each->mask) {
            unused = each.get();
        } else if (gathers && each->mask == mask && each->kind == kind) {
            meeting = each.get();
        } else if (gathers && each->mask & mask) {
            fail("lanes of one warp wait in different operations or name different masks");
        }
    }
    if (!meeting) {
        if (!unused) unused = warp.meetings.emplace_back(std::make_unique<Meeting>()).get();
        meeting = unused;
        meeting->mask = mask;
        meeting->arrived = meeting->left = 0;
        meeting->kind = kind;
    }
    if (size) std::memcpy(meeting->values[thread.lane], value, size);
    meeting->arrived |= 1u << thread.lane;
    thread.meeting = meeting;
    if (meeting->arrived == mask) {
        for (unsigned lane = 0; lane < warp_size; lane++)
            if (mask >> lane & 1) make_ready(active->threads[thread.warp * warp_size + lane]);
    } else {
        thread.state = Thread::State::in_meeting;
    }
    to_scheduler(false);
    return meeting;
}

void leave(Meeting *meeting) {
    meeting->left |= 1u << current().lane;
    if (meeting->left == meeting->mask) meeting->mask = 0;
}

void issue_copy(void *target, const void *source, unsigned size, unsigned valid) {
    if (reinterpret_cast<uintptr_t>(target) % size || (valid && reinterpret_cast<uintptr_t>(source) % size))
        fail("asynchronous copy of %u bytes to or from an address that is no multiple", size);
    Copy copy{target, source, size, valid, false};
    std::memset(target, poison, size);
    if (schedule_seed == 1 || (schedule_seed > 1 && active->random.below(2))) perform(copy);
    current().copy_groups.back().push_back(copy);
}

void commit_copies() { current().copy_groups.emplace_back(); }

void wait_for_copies(unsigned groups_left) {
    auto &groups = current().copy_groups;
    while (groups.size() > size_t(groups_left) + 1) {
        for (Copy &copy : groups.front()) perform(copy);
        groups.erase(groups.begin());
    }
}

void run(dim3 grid, dim3 block, size_t shared_bytes, void (*body)(void *), void *context) {
    std::lock_guard<std::mutex> lock(one_at_a_time);
    const unsigned count = block.x * block.y * block.z;
    const uint64_t blocks = uint64_t(grid.x) * grid.y * grid.z;
    if (!count || count > most_threads || !blocks)
        throw Failure("launch of " + triple(grid) + " blocks of " + triple(block) + " threads");
    Launch own;
    own.grid = grid;
    own.block = block;
    own.body = body;
    own.context = context;
    own.threads.resize(count);
    own.warps.resize((count + warp_size - 1) / warp_size);
    constexpr std::align_val_t alignment{128};
    own.shared_memory = ::operator new(shared_bytes, alignment);
    own.shared_bytes = shared_bytes;
    own.random = Random(schedule_seed);
    for (unsigned i = 0; i < count; i++) {
        own.threads[i].index = dim3(i % block.x, i / block.x % block.y, i / (block.x * block.y));
        own.threads[i].warp = i / warp_size;
        own.threads[i].lane = i % warp_size;
    }
    active = &own;
    struct End {
        ~End() {
            ::operator delete(active->shared_memory, alignment);
            active = nullptr;
        }
    } end;
    std::vector<unsigned> order_of_blocks(blocks);
    for (unsigned i = 0; i < blocks; i++) order_of_blocks[i] = i;
    order(order_of_blocks);
    for (unsigned i : order_of_blocks) {
        own.block_index = dim3(i % grid.x, i / grid.x % grid.y, i / (grid.x * grid.y));
        run_block();
    }
}

} // namespace simt
