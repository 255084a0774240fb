// SPDX-License-Identifier: MIT
#include "data/jpeg_writer.hpp"

#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>

#include <jpeglib.h>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip {

namespace {

constexpr int kMaxSide = JPEG_MAX_DIMENSION;

/// libjpeg's state. write() may be left by longjmp, and holds nothing that has a destructor.
struct JpegMaker {
    jpeg_compress_struct encoder{};
    jpeg_error_mgr errors{};
    std::jmp_buf jump{};
    char message[JMSG_LENGTH_MAX] = {};
    unsigned char* bytes = nullptr; // malloc'ed by libjpeg
    unsigned long size = 0;

    JpegMaker() = default;
    ~JpegMaker() {
        jpeg_destroy_compress(&encoder);
        std::free(bytes);
    }
    JpegMaker(const JpegMaker&) = delete;
    JpegMaker& operator=(const JpegMaker&) = delete;

    bool write(int width, int height, const std::uint8_t* rgb, int quality) noexcept;
};

bool JpegMaker::write(int width, int height, const std::uint8_t* rgb, int quality) noexcept {
    encoder.err = jpeg_std_error(&errors);
    encoder.client_data = this;
    errors.error_exit = [](j_common_ptr from) {
        auto* maker = static_cast<JpegMaker*>(from->client_data);
        from->err->format_message(from, maker->message);
        std::longjmp(maker->jump, 1);
    };
    errors.output_message = [](j_common_ptr) {};
    if (setjmp(jump) != 0)
        return false;
    jpeg_create_compress(&encoder);
    encoder.client_data = this;
    jpeg_mem_dest(&encoder, &bytes, &size);
    encoder.image_width = static_cast<JDIMENSION>(width);
    encoder.image_height = static_cast<JDIMENSION>(height);
    encoder.input_components = 3;
    encoder.in_color_space = JCS_RGB;
    jpeg_set_defaults(&encoder);
    jpeg_set_quality(&encoder, quality, TRUE);
    encoder.optimize_coding = TRUE; // smaller by a tenth
    // One way to compute, whatever the processor has.
    encoder.dct_method = JDCT_ISLOW;
    jpeg_start_compress(&encoder, TRUE);
    while (encoder.next_scanline < encoder.image_height) {
        // libjpeg does not change the row, but its type does not say so.
        auto* row = const_cast<JSAMPLE*>(rgb + std::size_t{encoder.next_scanline} *
                                                   static_cast<std::size_t>(width) * 3);
        jpeg_write_scanlines(&encoder, &row, 1);
    }
    jpeg_finish_compress(&encoder);
    return true;
}

} // namespace

std::vector<std::uint8_t> encode_jpeg(int width, int height, const std::uint8_t* rgb, int quality) {
    if (width < 1 || height < 1 || width > kMaxSide || height > kMaxSide)
        fail(ErrorCode::invalid_argument, concat("write JPEG: sides out of range (got ", width,
                                                 " x ", height, ", want 1 to ", kMaxSide, ")"));
    JpegMaker maker;
    if (!maker.write(width, height, rgb, quality))
        fail(ErrorCode::io_failure, concat("write JPEG: ", maker.message));
    try {
        return {maker.bytes, maker.bytes + maker.size};
    } catch (const std::bad_alloc&) {
        fail(ErrorCode::out_of_memory, "write JPEG: no memory for the file");
    }
}

} // namespace clip
