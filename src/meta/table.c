/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Growing arrays in claims.
 */
#include "meta/table.h"

#include "meta/meta.h"
#include "os/kernel.h"
#include "os/os.h"

#define FOOTPRINT_ALIGNMENT (64 * FL_KIB)

size_t fl_table_footprint(size_t element_size, size_t nelements)
{
	return fl_align_up(element_size * nelements, FOOTPRINT_ALIGNMENT);
}

void fl_table_create(struct fl_table *table, uintptr_t base, size_t element_size, size_t nelements)
{
	table->base = (char *)base;
	table->element_size = element_size;
	table->length = fl_table_footprint(element_size, nelements);
	table->mapped = 0;
}

int fl_table_grow(struct fl_table *table, size_t nelements)
{
	size_t wanted = fl_align_up(nelements * table->element_size, fl_os_page_size());

	if (wanted <= table->mapped)
		return 0;
	int result = fl_meta_map(table->base + table->mapped, wanted - table->mapped);
	if (result == 0)
		table->mapped = wanted;
	return result;
}

bool fl_table_destroy(struct fl_table *table)
{
	bool gone = fl_meta_unmap(table->base, table->mapped);

	table->mapped = 0;
	return gone;
}
