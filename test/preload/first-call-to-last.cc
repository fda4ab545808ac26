// SPDX-License-Identifier: BSD-2-Clause
//
// Proves that blocks can be had and given back at every moment of a process's life: before the first constructor, in
// constructors, in threads, in late destructors of thread-specific data, in thread_local destructors, in atexit and
// on_exit handlers, and in destructors; and that blocks of one moment can be freed in a later one.

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <pthread.h>
#include <string>
#include <thread>

#include "test/lib/preload.h"
#include "test/preload/check.h"

namespace {

enum { THREADS = 200, PASSES = 4 }; // PTHREAD_DESTRUCTOR_ITERATIONS is 4

void *handed_on; // the block that each moment frees and allocates anew
std::size_t handed_on_size;
int moments;

// Not a constructor's business, so not std::string: runs before libraries are initialised.
void moment(std::size_t size)
{
	if (handed_on != nullptr)
		CHECK(check_holds(handed_on, handed_on_size, 0x5a));
	free(handed_on);
	handed_on = malloc(size);
	handed_on_size = size;
	CHECK(handed_on != nullptr);
	memset(handed_on, 0x5a, size);
	free(calloc(3, size));
	moments++;
}

void before_all_constructors(int, char **, char **)
{
	moment(24);
	moment(300000);
}

__attribute__((section(".preinit_array"), used)) void (*earliest)(int, char **, char **) = before_all_constructors;

__attribute__((constructor(101))) void first_constructor()
{
	moment(100);
}

__attribute__((constructor)) void constructor()
{
	moment(5000);
}

std::string global("a global whose constructor and destructor allocate, longer than fits inside it");

pthread_key_t keys[3];
std::atomic<int> late_calls;

// Sets its key again, so that it is called in each of the passes that pthread makes over a thread's keys: the last of
// them come after the allocator's own thread-exit destructor.
void late(void *value)
{
	const auto pass = reinterpret_cast<std::uintptr_t *>(value);
	const std::uintptr_t next = *pass + 1;
	const std::uintptr_t key = pass[1];

	late_calls++;
	for (std::size_t size = 16; size < 100000; size *= 5) {
		void *block = malloc(size);
		memset(block, 1, size);
		free(block);
	}
	free(value);
	if (next < PASSES) {
		auto again = static_cast<std::uintptr_t *>(malloc(2 * sizeof(std::uintptr_t)));
		again[0] = next;
		again[1] = key;
		CHECK(pthread_setspecific(keys[key], again) == 0);
	}
}

struct at_thread_end {
	std::string text = "allocated by the constructor of a thread_local object";
	void *block = malloc(70);
	~at_thread_end()
	{
		free(block);
		text += text + " and grown in its destructor";
		free(malloc(20000));
	}
};

thread_local at_thread_end ends_late;

std::atomic<void *> left_behind[THREADS];

void thread_body(int number)
{
	ends_late.text += std::to_string(number);
	for (std::uintptr_t key = 0; key < 3; key++) {
		auto value = static_cast<std::uintptr_t *>(malloc(2 * sizeof(std::uintptr_t)));
		value[0] = 0;
		value[1] = key;
		CHECK(pthread_setspecific(keys[key], value) == 0);
	}
	left_behind[number] = malloc(64 + number);
}

void at_exit()
{
	moment(700);
	free(malloc(3 << 20));
}

void at_exit_with_status(int, void *block)
{
	free(block);
	moment(40);
}

// After the destructor of every object; prints nothing by stdio, which may be gone.
__attribute__((destructor(101))) void last_destructor()
{
	moment(9000);
	free(handed_on);
	handed_on = nullptr;
	if (check_failures != 0)
		_exit(1);
}

} // namespace

int main(int, char **argv)
{
	// The first key comes before the allocator's own, if that is made late; its order must not matter.
	for (auto &key : keys)
		if (pthread_key_create(&key, late) != 0)
			return 99;
	test_preload(argv, nullptr);
	check_deadline(60);
	atexit(at_exit);
	on_exit(at_exit_with_status, malloc(123));
	for (int first = 0; first < THREADS; first += 10) {
		std::thread threads[10];
		for (int i = 0; i < 10; i++)
			threads[i] = std::thread(thread_body, first + i);
		for (auto &thread : threads)
			thread.join();
	}
	CHECK(late_calls == THREADS * 3 * PASSES);
	for (auto &block : left_behind)
		free(block);
	global += "and allocates again in main";
	ends_late.text += "main";
	return check_status();
}
