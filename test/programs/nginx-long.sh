#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves what nginx.sh proves, with a minute of requests.
seconds=15 exec "${top_srcdir:=.}/test/programs/nginx.sh"
