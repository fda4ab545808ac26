/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * C++ containers at work: std::map, unordered_map, list, strings and vectors through operator new and delete.
 */

#include "load.h"

#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

struct record {
	std::string name;
	std::vector<int> marks;
};

using name_index = std::map<std::string, std::shared_ptr<record>>;

std::shared_ptr<record> record_make(uint64_t &state)
{
	auto made = std::make_shared<record>();

	made->name.assign(load_between(&state, 5, 60), 'n');
	for (size_t i = load_between(&state, 0, 20); i > 0; i--)
		made->marks.push_back(static_cast<int>(i));
	return made;
}

} /* namespace */

int main(int argc, char **argv)
{
	const long rounds = load_scaled(argc, argv, 10);
	const size_t keys = 40000;
	uint64_t state = load_seed(0);
	name_index by_name;
	std::unordered_map<uint64_t, std::shared_ptr<record>> by_number;
	uint64_t check = 0;

	for (long r = 0; r < rounds; r++) {
		std::list<std::string> recent;

		for (size_t i = 0; i < keys; i++) {
			uint64_t number = load_random(&state) % (2 * keys);
			auto made = record_make(state);

			by_name["record number " + std::to_string(number)] = made;
			by_number[number] = made;
			recent.push_back(made->name);
			if (recent.size() > 1000)
				recent.pop_front();
		}
		for (auto at = by_name.begin(); at != by_name.end();)
			at = load_random(&state) % 2 ? by_name.erase(at) : std::next(at);
		for (size_t i = 0; i < keys; i++)
			by_number.erase(load_random(&state) % (2 * keys));
		check += by_name.size() + by_number.size();
	}
	by_name.clear();
	by_number.clear();
	load_report("containers", static_cast<long>(rounds * keys), check);
	return 0;
}
