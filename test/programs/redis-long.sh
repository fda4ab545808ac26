#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves what redis.sh proves, with a minute of requests.
requests=1000000 exec "${top_srcdir:=.}/test/programs/redis.sh"
