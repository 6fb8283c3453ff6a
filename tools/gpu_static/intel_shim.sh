#!/bin/bash
# Builds the library that lets Intel's Vulkan driver compile without hardware: Mesa's own "noop" shim,
# which stands in for the kernel's driver. Distributions do not package it, and Mesa's build makes
# much else first; this compiles its thirty files alone, in half a minute.
#
#     curl -O http://deb.debian.org/debian/pool/main/m/mesa/mesa_25.0.7.orig.tar.xz   # and unpack it
#     tools/gpu_static/intel_shim.sh mesa-25.0.7 /tmp/intel_shim.so
#
# Needs gcc, libdrm-dev, and a python3 with mako (PYTHON=... names another one). Tried with 25.0.7; the
# driver, libvulkan_intel.so, should be of the same version.
set -euo pipefail
mesa=$(realpath "$1")
to=$(realpath -m "$2")
python=${PYTHON:-python3}
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
mkdir -p "$made/intel/dev"
cd "$mesa/src/intel/dev"
"$python" gen_wa_helpers.py mesa_defs.json "$made/intel/dev/intel_wa.h" "$made/intel/dev/intel_wa.c"
"$python" intel_device_info_gen_h.py "$made/intel/dev/intel_device_info_gen.h"
"$python" intel_device_info_serialize_gen_c.py "$made/intel/dev/serialize.c"
cd "$mesa"

flags="-O1 -fPIC -fvisibility=hidden -w -std=gnu11 -D_GNU_SOURCE -DINTEL_USE_ELK -DMESA_DEBUG=0
  -DHAVE_PTHREAD -DHAVE_STRUCT_TIMESPEC -DHAVE_TIMESPEC_GET -DHAVE_MEMFD_CREATE -DHAVE_ENDIAN_H
  -DHAVE_LIBDRM -DUSE_GCC_ATOMIC_BUILTINS -DHAVE_SECURE_GETENV -DHAVE_PROGRAM_INVOCATION_NAME
  -DHAVE___BUILTIN_UNREACHABLE -DHAVE___BUILTIN_CLZ -DHAVE___BUILTIN_CLZLL -DHAVE___BUILTIN_CTZ
  -DHAVE___BUILTIN_EXPECT -DHAVE___BUILTIN_FFS -DHAVE___BUILTIN_FFSLL -DHAVE___BUILTIN_POPCOUNT
  -DHAVE_FUNC_ATTRIBUTE_PACKED -DHAVE_FUNC_ATTRIBUTE_VISIBILITY -DHAVE_FUNC_ATTRIBUTE_WEAK
  -DUTIL_ARCH_LITTLE_ENDIAN=1 -DUTIL_ARCH_BIG_ENDIAN=0 -DPACKAGE_VERSION=\"shim\"
  -I$made -I$made/intel -I$made/intel/dev -Iinclude -Isrc -Isrc/intel -Isrc/intel/dev
  -Isrc/intel/common -Isrc/util -I/usr/include/libdrm"
common=src/intel/common
sources=(
  src/drm-shim/{device,drm_shim}.c src/intel/tools/intel_noop_drm_shim.c
  src/intel/dev/{intel_device_info,intel_hwconfig,intel_kmd}.c
  src/intel/dev/{i915,xe}/intel_device_info.c
  "$made/intel/dev/serialize.c" "$made/intel/dev/intel_wa.c"
  $common/{,i915/,xe/}intel_gem.c $common/{,i915/,xe/}intel_engine.c
  $common/xe/intel_device_query.c src/c11/impl/time.c
  src/util/{hash_table,set,ralloc,u_debug,anon_file,vma,os_misc,log,parson,blob}.c
  src/util/{u_cpu_detect,os_time,u_call_once,os_file,simple_mtx,u_process}.c
)
for file in "${sources[@]}"; do
  # shellcheck disable=SC2086
  gcc $flags -c "$file" -o "$made/$(echo "$file" | tr / _).o"
done
# what is left undefined is never called
gcc -shared -o "$to" "$made"/*.o -ldrm -ldl -lpthread -lm -Wl,-z,lazy
echo "$to"
