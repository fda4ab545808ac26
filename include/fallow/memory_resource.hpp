// SPDX-License-Identifier: BSD-2-Clause
//
// fallow for C++ containers: fallow::allocator<T>, from C++11 on, and fallow::memory_resource for those of std::pmr, from
// C++17 on where the library has <memory_resource>.
//
// Both are a handle of an arena, or of the process heap (fallow/malloc.h) when made without one. They own nothing: the
// arena is to outlive the containers, as are memory_resources. What cannot be had is std::bad_alloc, with the reason in
// fallow_last_failure(). Two are equal when they are of the same arena.
//
// Containers with fallow::allocator take it along when they are moved or swapped, so that neither touches an element.
#ifndef FALLOW_MEMORY_RESOURCE_HPP
#define FALLOW_MEMORY_RESOURCE_HPP

#include <fallow/arena.h>
#include <fallow/malloc.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <type_traits>

#if __cplusplus >= 201703L && defined(__has_include)
#if __has_include(<memory_resource>)
#include <memory_resource>
#endif
#endif

namespace fallow {

namespace detail {

// What every block has, whatever its size.
constexpr std::size_t alignment_of_blocks = 16;

// arena null: the process heap.
inline void *allocate(fallow_arena *arena, std::size_t nbytes, std::size_t alignment)
{
	void *block;

	if (alignment <= alignment_of_blocks)
		block = arena ? fallow_arena_malloc(arena, nbytes) : fallow_malloc(nbytes);
	else
		block = arena ? fallow_arena_aligned_alloc(arena, alignment, nbytes) : fallow_aligned_alloc(alignment, nbytes);
	if (block == nullptr)
		throw std::bad_alloc();
	return block;
}

inline void deallocate(fallow_arena *arena, void *block) noexcept
{
	if (arena)
		fallow_arena_free(arena, block);
	else
		fallow_free(block);
}

} // namespace detail

template <class T> class allocator {
public:
	using value_type = T;
	using propagate_on_container_move_assignment = std::true_type;
	using propagate_on_container_swap = std::true_type;
	using is_always_equal = std::false_type;

	allocator() noexcept = default;
	explicit allocator(fallow_arena *arena) noexcept : arena_(arena) {}
	template <class U> allocator(const allocator<U> &other) noexcept : arena_(other.arena()) {}

	// Throws std::bad_array_new_length, which is a std::bad_alloc, for more than there are addresses.
	T *allocate(std::size_t n)
	{
		if (n > std::numeric_limits<std::size_t>::max() / sizeof(T))
			throw std::bad_array_new_length();
		return static_cast<T *>(detail::allocate(arena_, n * sizeof(T), alignof(T)));
	}

	void deallocate(T *objects, std::size_t) noexcept { detail::deallocate(arena_, objects); }

	// Null: the process heap.
	fallow_arena *arena() const noexcept { return arena_; }

private:
	fallow_arena *arena_ = nullptr;
};

template <class T, class U> bool operator==(const allocator<T> &a, const allocator<U> &b) noexcept
{
	return a.arena() == b.arena();
}

template <class T, class U> bool operator!=(const allocator<T> &a, const allocator<U> &b) noexcept
{
	return !(a == b);
}

#ifdef __cpp_lib_memory_resource

class memory_resource : public std::pmr::memory_resource {
public:
	memory_resource() noexcept = default;
	explicit memory_resource(fallow_arena *arena) noexcept : arena_(arena) {}

	// Null: the process heap.
	fallow_arena *arena() const noexcept { return arena_; }

private:
	void *do_allocate(std::size_t nbytes, std::size_t alignment) override
	{
		return detail::allocate(arena_, nbytes, alignment);
	}

	void do_deallocate(void *block, std::size_t, std::size_t) override { detail::deallocate(arena_, block); }

	bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
	{
		auto *ours = dynamic_cast<const memory_resource *>(&other);
		return ours != nullptr && ours->arena_ == arena_;
	}

	fallow_arena *arena_ = nullptr;
};

#endif

} // namespace fallow

#endif
