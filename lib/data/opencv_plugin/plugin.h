/* SPDX-License-Identifier: MIT
   The functions between the library and the plugin that links OpenCV. Plain C: nothing of OpenCV,
   no exception and no C++ type crosses it. */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever the meaning of what follows changes; the plugin refuses any other. */
#define CLIP_OPENCV_VERSION 2

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

/* A line of printable ASCII, drawn with pens of `thickness` pixels in letters whose capitals are
   21 * scale pixels high. */
struct clip_opencv_line {
    const char* text;
    double scale;
    int thickness;
};

/* Says how wide the line is. Returns 0, or 1 where the version is another or OpenCV fails. */
typedef int (*clip_opencv_measure_function)(int version, const struct clip_opencv_line* line,
                                            int* width);

__attribute__((visibility("default"))) int
clip_opencv_measure(int version, const struct clip_opencv_line* line, int* width);

/* Draws the line, antialiased, into `height` rows of `width` bytes without gaps: 255 where it
   covers a pixel, what was there where it does not. It begins at (x, y) on its baseline, and what
   lies outside is left out. A mask of grey and no picture in colour, so that the library can turn,
   shrink and tint it. Returns as above. */
typedef int (*clip_opencv_text_function)(int version, const struct clip_opencv_line* line, int x,
                                         int y, unsigned char* mask, int width, int height);

__attribute__((visibility("default"))) int clip_opencv_text(int version,
                                                            const struct clip_opencv_line* line,
                                                            int x, int y, unsigned char* mask,
                                                            int width, int height);

#ifdef __cplusplus
}
#endif
