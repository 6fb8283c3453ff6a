// A Vulkan driver that compiles and never runs: RADV on its null device (RADV_FORCE_FAMILY), lent
// what wgpu asks of a device and that one lacks: timeline semaphores, memory, a queue. Calls that
// would do work do nothing. Built and used by tools/gpu_static.ts; RADV_LIBRARY names the driver.
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef void (*Function)(void);
typedef Function (*Lookup)(void*, const char*);
typedef struct Link { int32_t type; struct Link* next; } Link;

static void* driver;
static Lookup of_instance, of_physical_device, of_device;

// ---- timeline semaphores are numbers, which a submit sets at once

enum { SEMAPHORE_TYPE = 1000207002, TIMELINE_SUBMIT = 1000207003, MEMORY_BUDGET = 1000237000 };
typedef struct { Link link; int32_t kind; uint64_t value; } SemaphoreType;
typedef struct { Link link; uint32_t waits; void *w, *stages; uint32_t buffers; void* b;
  uint32_t signals; uint64_t* semaphores; } Submit;
typedef struct { Link link; uint32_t waits; void* w; uint32_t signals; uint64_t* values; } Values;
typedef struct { Link link; uint64_t semaphore, value; } Signal;

static uint64_t* made[4096];
static int count;

static uint64_t* number(uint64_t semaphore) {
  for (int i = 0; i < count; i++) if ((uint64_t)made[i] == semaphore) return made[i];
  return 0;
}

static int32_t (*create_semaphore)(void*, Link*, void*, uint64_t*);
static void (*destroy_semaphore)(void*, uint64_t, void*);

static int32_t CreateSemaphore(void* device, Link* info, void* allocator, uint64_t* out) {
  for (Link* link = info->next; link; link = link->next) {
    SemaphoreType* type = (SemaphoreType*)link;
    if (link->type != SEMAPHORE_TYPE || type->kind != 1 || count == 4096) continue;
    *(made[count] = malloc(8)) = type->value;
    *out = (uint64_t)made[count++];
    return 0;
  }
  return create_semaphore(device, info, allocator, out);
}

static void DestroySemaphore(void* device, uint64_t semaphore, void* allocator) {
  if (!number(semaphore)) destroy_semaphore(device, semaphore, allocator);
}

static int32_t GetCounter(void* device, uint64_t semaphore, uint64_t* value) {
  uint64_t* n = number(semaphore);
  *value = n ? *n : 0;
  return 0;
}

static int32_t SetCounter(void* device, Signal* signal) {
  uint64_t* n = number(signal->semaphore);
  if (n) *n = signal->value;
  return 0;
}

static int32_t QueueSubmit(void* queue, uint32_t submits, Submit* submit, uint64_t fence) {
  for (uint32_t i = 0; i < submits; i++) {
    for (Link* link = submit[i].link.next; link; link = link->next) {
      if (link->type != TIMELINE_SUBMIT) continue;
      Values* given = (Values*)link;
      for (uint32_t j = 0; j < given->signals && j < submit[i].signals; j++) {
        uint64_t* n = number(submit[i].semaphores[j]);
        if (n) *n = given->values[j];
      }
    }
  }
  return 0;
}

// ---- memory: three types on one heap, of pages that are only reserved

#define HEAP (16ull << 30)
#define ALL_TYPES 7
typedef struct { uint32_t types; struct { uint32_t flags, heap; } type[32];
  uint32_t heaps; struct { uint64_t size; uint32_t flags; } heap[16]; } Memory;
typedef struct { Link link; uint64_t budget[16], usage[16]; } Budget;
typedef struct { Link link; uint64_t size; uint32_t type; } Wanted;
typedef struct { uint64_t size, alignment; uint32_t types; } Needs;

static void MemoryProperties(void* device, Memory* m) {
  memset(m, 0, sizeof *m);
  m->types = 3;
  m->type[0].flags = 1; m->type[1].flags = 6; m->type[2].flags = 15;
  m->heaps = 1;
  m->heap[0].size = HEAP; m->heap[0].flags = 1;
}

static void MemoryProperties2(void* device, Link* m) {
  MemoryProperties(device, (Memory*)(m + 1));
  for (Link* link = m->next; link; link = link->next) {
    if (link->type != MEMORY_BUDGET) continue;
    memset(((Budget*)link)->budget, 0, 256);
    ((Budget*)link)->budget[0] = HEAP;
  }
}

static int32_t Allocate(void* device, Wanted* wanted, void* allocator, uint64_t* out) {
  uint64_t bytes = wanted->size + 4096;
  int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  char* pages = mmap(0, bytes, PROT_READ | PROT_WRITE, how, -1, 0);
  if (pages == MAP_FAILED) return -1;
  *(uint64_t*)pages = bytes;
  *out = (uint64_t)pages;
  return 0;
}

static void Free(void* device, uint64_t memory, void* allocator) {
  if (memory) munmap((void*)memory, *(uint64_t*)memory);
}

static int32_t Map(void* d, uint64_t m, uint64_t at, uint64_t size, uint32_t flags, void** out) {
  *out = (char*)m + 4096 + at;
  return 0;
}

static void (*buffer_needs)(void*, uint64_t, Needs*), (*image_needs)(void*, uint64_t, Needs*);
static void (*buffer_needs2)(void*, void*, Link*), (*image_needs2)(void*, void*, Link*);
static void BufferNeeds(void* d, uint64_t b, Needs* n) { buffer_needs(d, b, n); n->types = ALL_TYPES; }
static void ImageNeeds(void* d, uint64_t b, Needs* n) { image_needs(d, b, n); n->types = ALL_TYPES; }
static void BufferNeeds2(void* d, void* info, Link* n) {
  buffer_needs2(d, info, n);
  ((Needs*)(n + 1))->types = ALL_TYPES;
}
static void ImageNeeds2(void* d, void* info, Link* n) {
  image_needs2(d, info, n);
  ((Needs*)(n + 1))->types = ALL_TYPES;
}

// ---- what wgpu finds by name

static int32_t Nothing() { return 0; }

static const char* NOTHING[] = {
  "vkCmd", "vkBind", "vkUpdateDescriptorSet", "vkQueueWaitIdle", "vkDeviceWaitIdle", "vkWaitFor",
  "vkGetFenceStatus", "vkUnmapMemory", "vkFlushMapped", "vkInvalidateMapped",
  "vkBeginCommandBuffer", "vkEndCommandBuffer", "vkResetCommand", "vkSetDebugUtilsObjectName",
  "vkWaitSemaphores", 0,
};

static Function DeviceLookup(void* device, const char* name);

// A call of ours; `real` keeps the driver's, where ours needs it.
typedef struct { const char* name; void* ours; void* real; } Call;
static const Call CALLS[] = {
  { "vkCreateSemaphore", CreateSemaphore, &create_semaphore },
  { "vkDestroySemaphore", DestroySemaphore, &destroy_semaphore },
  { "vkGetSemaphoreCounterValue", GetCounter, 0 },
  { "vkSignalSemaphore", SetCounter, 0 },
  { "vkQueueSubmit", QueueSubmit, 0 },
  { "vkGetPhysicalDeviceMemoryProperties", MemoryProperties, 0 },
  { "vkGetPhysicalDeviceMemoryProperties2", MemoryProperties2, 0 },
  { "vkAllocateMemory", Allocate, 0 },
  { "vkFreeMemory", Free, 0 },
  { "vkMapMemory", Map, 0 },
  { "vkGetBufferMemoryRequirements", BufferNeeds, &buffer_needs },
  { "vkGetImageMemoryRequirements", ImageNeeds, &image_needs },
  { "vkGetBufferMemoryRequirements2", BufferNeeds2, &buffer_needs2 },
  { "vkGetImageMemoryRequirements2", ImageNeeds2, &image_needs2 },
  { "vkGetDeviceProcAddr", DeviceLookup, &of_device },
  { 0 },
};

// Also under the name of the extension that a core function was.
static int is(const char* name, const char* wanted) {
  size_t length = strlen(wanted);
  return !strncmp(name, wanted, length) && (!name[length] || !strcmp(name + length, "KHR"));
}

static Function choose(const char* name, Function real) {
  if (!real) return 0;
  for (const char** n = NOTHING; *n; n++) {
    if (!strncmp(name, *n, strlen(*n))) return (Function)Nothing;
  }
  for (const Call* call = CALLS; call->name; call++) {
    if (!is(name, call->name)) continue;
    if (call->real) *(Function*)call->real = real;
    return (Function)call->ours;
  }
  return real;
}

static Function DeviceLookup(void* device, const char* name) {
  return choose(name, of_device(device, name));
}

static void load(void) {
  if (driver) return;
  const char* path = getenv("RADV_LIBRARY");
  driver = dlopen(path ? path : "libvulkan_radeon.so", RTLD_NOW | RTLD_LOCAL);
  if (!driver) { fprintf(stderr, "%s\n", dlerror()); exit(1); }
  of_instance = (Lookup)dlsym(driver, "vk_icdGetInstanceProcAddr");
  of_physical_device = (Lookup)dlsym(driver, "vk_icdGetPhysicalDeviceProcAddr");
}

Function vk_icdGetInstanceProcAddr(void* instance, const char* name) {
  load();
  return choose(name, of_instance(instance, name));
}

Function vk_icdGetPhysicalDeviceProcAddr(void* instance, const char* name) {
  load();
  return of_physical_device ? choose(name, of_physical_device(instance, name)) : 0;
}

int32_t vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t* version) {
  load();
  int32_t (*negotiate)(uint32_t*) = dlsym(driver, "vk_icdNegotiateLoaderICDInterfaceVersion");
  return negotiate ? negotiate(version) : 0;
}
