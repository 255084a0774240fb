/* SPDX-License-Identifier: MIT
   The one function between the library and the plugin that links OpenCV. Plain C: nothing of
   OpenCV, no exception and no C++ type crosses it. */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever the meaning of what follows changes; the plugin refuses any other. */
#define CLIP_OPENCV_VERSION 1

/* Gives the place for height * width * channels samples of `bits` (8 or 16) bits each, or NULL to
   stop. */
typedef void* (*clip_opencv_allocate)(void* context, int width, int height, int channels, int bits);

/* Decodes `size` bytes as they are stored, and writes the samples, RGB or RGBA order, rows without
   gaps, to what `allocate` gives. Returns 0, or 1 with a message of at most `message_size` bytes,
   its final NUL included. Never throws, prints or starts threads. */
typedef int (*clip_opencv_decode_function)(int version, const void* bytes, size_t size,
                                           clip_opencv_allocate allocate, void* context,
                                           char* message, size_t message_size);

__attribute__((visibility("default"))) int
clip_opencv_decode(int version, const void* bytes, size_t size, clip_opencv_allocate allocate,
                   void* context, char* message, size_t message_size);

#ifdef __cplusplus
}
#endif
