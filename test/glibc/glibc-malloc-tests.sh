#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves that glibc 2.36's own malloc tests pass with fallow preloaded (promise P7).
#
# The tests and their support library come from the Debian package glibc-source and are compiled once, into the build
# folder, with the flags that glibc gives them; nothing of glibc is kept in this project. Each test that `verdicts`
# marks `run` must pass twice: under glibc's own malloc, which shows that the harness is sound, then under the preload.
# One line a test; the output of a failing one follows its line. Arguments: names of tests, instead of all.
set -u -o pipefail

: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=.}"
here=$top_srcdir/test/glibc
work=$top_builddir/test/glibc/work
tarball=${GLIBC_SOURCE:-/usr/src/glibc/glibc-2.36.tar.xz}
# Bounds: glibc's driver gives a test 20 s times this factor (some ask for more), the outer limit is for the driver
# itself. Some tests allocate until a limit of theirs says no; where an allocator overlooks it, RLIMIT_DATA keeps the
# machine safe.
export TIMEOUTFACTOR=4
data_limit=$((3 << 30))

. "$top_srcdir/test/programs/harness.sh" || exit 99
limit_s=420

[ -r "$tarball" ] || skip "no $tarball (Debian package glibc-source)"

support="check delayed_exit ignore_stderr oom_error set_fortify_handler support_capture_subprocess
support_capture_subprocess_check support_isolate_in_subprocess support_record_failure support_shared_allocate
support_subprocess support_test_compare_blob support_test_compare_failure support_test_compare_string
support_test_main support_test_verify_impl support_quote_blob support_quote_string objdir temp_file write_message
xasprintf xchdir xfclose xfopen
xcalloc xclose xdup2 xfork xftruncate xlseek xmalloc xmemstream xmmap xmprotect xmunmap xopen xpipe xpoll
xposix_memalign xposix_spawn xposix_spawn_file_actions_addclose xposix_spawn_file_actions_adddup2
xpthread_barrier_destroy xpthread_barrier_init xpthread_barrier_wait xpthread_barrierattr_destroy
xpthread_barrierattr_init xpthread_barrierattr_setpshared xpthread_check_return xpthread_create xpthread_join
xpthread_kill xpthread_mutex_lock xpthread_mutex_unlock xpthread_sigmask xrealloc xsigaction xsignal
xstrdup xsysconf xunlink xwaitpid xwrite"
flags=(-std=gnu11 -fgnu89-inline -g -O2 -fno-builtin -w -D_GNU_SOURCE -DTEST_NO_MALLOPT)

compile=($CC "${flags[@]}" -include "$here/shim.h" -I"$work/include" -I"$work" -I"$work/support" -c)

prepare() { # Unpacks the sources and builds the support library, all or nothing.
    [ -e "$work/ready" ] && [ "$work/ready" -nt "$0" ] && [ "$work/ready" -nt "$here/shim.h" ] &&
        [ "$work/ready" -nt "$tarball" ] && return 0
    rm -rf "$work" && mkdir -p "$work/include" "$work/obj" "$work/bin" || return 1
    tar -xf "$tarball" -C "$work" --strip-components=1 glibc-2.36/malloc glibc-2.36/support glibc-2.36/test-skeleton.c \
        glibc-2.36/include/{libc-diag,array_length,scratch_buffer,intprops,libc-pointer-arith}.h \
        glibc-2.36/sysdeps/generic/malloc-{size,alignment}.h || return 1
    mv "$work"/sysdeps/generic/*.h "$work/include/" && cp "$here/shim.h" "$work/include/" || return 1
    sed -i '1i #include <shim.h>' "$work/include/scratch_buffer.h" "$work/malloc/dynarray.h" || return 1
    cp "$work/malloc/dynarray.h" "$work/include/" && : >"$work/include/libc-config.h" || return 1
    echo 'const char support_objdir_root[] = "";' >"$work/support/objdir.c"
    local name
    for name in $support; do echo "support/$name"; done >"$work/sources"
    for name in scratch_buffer_grow scratch_buffer_grow_preserve scratch_buffer_set_array_size scratch_buffer_dupfree \
        dynarray_at_failure dynarray_emplace_enlarge dynarray_finalize dynarray_resize dynarray_resize_clear; do
        echo "malloc/$name"
    done >>"$work/sources"
    xargs -P 2 -I{} sh -c 'out=$1/$(basename {}).o; shift; exec "$@" -o "$out"' \
        sh "$work/obj" "${compile[@]}" "$work/{}.c" <"$work/sources" || return 1
    ar rcs "$work/libsupport.a" "$work"/obj/*.o && touch "$work/ready"
}

build() { # build TEST: compiles and links one test unless it is there.
    [ "$work/bin/$1" -nt "$work/ready" ] && return 0
    local aux=
    case $1 in
    tst-interpose-nothread) aux=$work/malloc/tst-interpose-aux-nothread.c ;;
    tst-interpose-thread) aux=$work/malloc/tst-interpose-aux-thread.c ;;
    esac
    $CC "${flags[@]}" -I"$work/include" -I"$work" -pthread -o "$work/bin/$1" "$work/malloc/$1.c" $aux \
        "$work/libsupport.a"
}

attempt() { # attempt TEST LOG [VARIABLE=VALUE]: runs one test; sets $seconds.
    local test=$1 log=$2 start=$EPOCHREALTIME status
    shift 2
    bounded prlimit --data=$data_limit env TMPDIR="$scratch" "$@" "$work/bin/$test" >"$log" 2>&1 </dev/null
    status=$?
    seconds=$(elapsed "$start")
    return $status
}

prepare || hard_error "cannot build glibc's test support library"
missing=0
for source in "$work"/malloc/tst-*.c "$work/malloc/mallocbug.c"; do
    name=$(basename "$source" .c)
    case $name in tst-interpose-aux* | tst-interpose-skeleton) continue ;; esac
    grep -q "^$name " "$here/verdicts" || { echo "FAIL $name: not named in verdicts"; missing=1; }
done
[ $missing = 0 ] || exit 1

total=0 failed=0
while read -r name verdict; do
    case $name in '' | '#'*) continue ;; esac
    if [ $# -gt 0 ]; then
        case " $* " in *" $name "*) ;; *) continue ;; esac
    fi
    if [ "$verdict" != run ]; then
        echo "n/a  $name: ${verdict#not applicable: }"
        continue
    fi
    total=$((total + 1))
    log=$scratch/$name
    if ! build "$name" >"$log.build" 2>&1; then
        echo "FAIL $name: does not compile"
        sed 's/^/     /' "$log.build" | head -8
        failed=$((failed + 1))
        continue
    fi
    if ! attempt "$name" "$log.glibc"; then
        echo "FAIL $name: fails under glibc itself, $seconds s"
        tail -n 20 "$log.glibc" | sed 's/^/     /'
        failed=$((failed + 1))
        continue
    fi
    plain=$seconds
    if attempt "$name" "$log.preload" LD_PRELOAD="$FALLOW_PRELOAD"; then
        echo "ok   $name: glibc $plain s, preloaded $seconds s"
    else
        echo "FAIL $name: fails preloaded, $seconds s (glibc $plain s)"
        tail -n 20 "$log.preload" | sed 's/^/     /'
        failed=$((failed + 1))
    fi
done <"$here/verdicts"

{ build mallocbug && prove_preloaded "$work/bin/mallocbug"; } || failed=$((failed + 1))
echo "$((total - failed)) of $total passed preloaded"
[ $failed = 0 ] && [ $total -gt 0 ]
