/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chains of images: which pages of a watched map may have changed since the chain's last image.
 *
 *     held      had content in the last image
 *     changed   written or brought in since: let go by whoever keeps watch, who notes them first
 *     gone      to be holes in the image being written
 *
 * What is held and not changed is protected, what is neither is missing, and both are watched for. What is taken away is
 * not noted: at the next instant it is missing and was held. The caller locks, or is alone with
 * the chain.
 */
#ifndef FL_MAP_CHAIN_H
#define FL_MAP_CHAIN_H

#include "map/pageset.h"

struct fl_chain {
	struct fl_pageset held;
	struct fl_pageset changed;
	struct fl_pageset gone;
};

/* For pages below npages; nothing is held. 0 or -ENOMEM. */
int fl_chain_create(struct fl_chain *chain, size_t npages);
void fl_chain_destroy(struct fl_chain *chain);

/* Pages may change from now on: all of [first, end), or those of them that are held. 0 or -ENOMEM. */
int fl_chain_note(struct fl_chain *chain, size_t first, size_t end);
int fl_chain_note_held(struct fl_chain *chain, size_t first, size_t end);

/*
 * The instant of the next image, of npages. content: the pages that have content; on return those of them that may have
 * changed. 0, or -ENOMEM, and then the chain is of no use any more.
 */
int fl_chain_turn(struct fl_chain *chain, struct fl_pageset *content, size_t npages);

#endif
