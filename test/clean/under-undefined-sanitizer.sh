#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Unit and api tests run clean under the undefined sanitizer.

. "$top_srcdir/test/clean/build-again.sh"
sanitized undefined
finish
