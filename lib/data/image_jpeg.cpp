// SPDX-License-Identifier: MIT
// JPEG by libjpeg-turbo, with the settings and the leniency of Pillow: warnings are passed over,
// data that end before the decoder has seen the end of the picture are an error.
#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include <jpeglib.h>

#include "base/concat.hpp"
#include "data/image_codecs.hpp"
#include "data/image_exif.hpp"

namespace clip {

namespace {

enum class Step : std::uint8_t { done, cut_off, broken };

/// libjpeg's state. The functions that may be left by longjmp hold nothing that has a destructor.
struct JpegReader {
    jpeg_decompress_struct decoder{};
    jpeg_error_mgr errors{};
    jpeg_source_mgr source{};
    std::jmp_buf jump{};
    char message[JMSG_LENGTH_MAX] = {};

    explicit JpegReader(Bytes bytes);
    ~JpegReader() { jpeg_destroy_decompress(&decoder); }
    JpegReader(const JpegReader&) = delete;
    JpegReader& operator=(const JpegReader&) = delete;

    Step read_header();
    Step choose_size(const DecodeOptions& options);
    Step read_rows(std::uint8_t* pixels, std::size_t row_bytes);
};

void on_error(j_common_ptr decoder) {
    auto* reader = static_cast<JpegReader*>(decoder->client_data);
    decoder->err->format_message(decoder, reader->message);
    std::longjmp(reader->jump, 1);
}

// All data are in the buffer from the start: when libjpeg wants more, there is none.
boolean on_empty(j_decompress_ptr) {
    return FALSE;
}

void on_skip(j_decompress_ptr decoder, long count) {
    jpeg_source_mgr& source = *decoder->src;
    if (count <= 0)
        return;
    const auto skipped = static_cast<std::size_t>(count) < source.bytes_in_buffer
                             ? static_cast<std::size_t>(count)
                             : source.bytes_in_buffer;
    source.next_input_byte += skipped;
    source.bytes_in_buffer -= skipped;
}

JpegReader::JpegReader(Bytes bytes) {
    decoder.err = jpeg_std_error(&errors);
    decoder.client_data = this;
    errors.error_exit = on_error;
    errors.output_message = [](j_common_ptr) {};
    errors.emit_message = [](j_common_ptr, int) {};
    source.next_input_byte = bytes.data();
    source.bytes_in_buffer = bytes.size();
    source.init_source = [](j_decompress_ptr) {};
    source.fill_input_buffer = on_empty;
    source.skip_input_data = on_skip;
    source.resync_to_restart = jpeg_resync_to_restart;
    source.term_source = [](j_decompress_ptr) {};
}

Step JpegReader::read_header() {
    if (setjmp(jump) != 0)
        return Step::broken;
    jpeg_create_decompress(&decoder);
    decoder.client_data = this;
    decoder.src = &source;
    jpeg_save_markers(&decoder, JPEG_APP0 + 1, 0xFFFF);
    int read = JPEG_HEADER_TABLES_ONLY;
    while (read == JPEG_HEADER_TABLES_ONLY)
        read = jpeg_read_header(&decoder, FALSE);
    return read == JPEG_HEADER_OK ? Step::done : Step::cut_off;
}

Step JpegReader::choose_size(const DecodeOptions& options) {
    if (setjmp(jump) != 0)
        return Step::broken;
    const auto allows = [&](JDIMENSION side, int least) {
        return least == 0 || side / (2 * decoder.scale_denom) >= static_cast<JDIMENSION>(least);
    };
    const auto [shorter, longer] = std::minmax({decoder.image_width, decoder.image_height});
    decoder.scale_num = 1;
    decoder.scale_denom = 1;
    const bool shrinks = options.shrink_to > 0 || options.shrink_shorter_to > 0;
    while (shrinks && decoder.scale_denom < 8 && allows(longer, options.shrink_to) &&
           allows(shorter, options.shrink_shorter_to))
        decoder.scale_denom *= 2;
    jpeg_calc_output_dimensions(&decoder);
    return Step::done;
}

Step JpegReader::read_rows(std::uint8_t* pixels, std::size_t row_bytes) {
    if (setjmp(jump) != 0)
        return Step::broken;
    if (!jpeg_start_decompress(&decoder))
        return Step::cut_off;
    while (decoder.output_scanline < decoder.output_height) {
        JSAMPROW row = pixels + decoder.output_scanline * row_bytes;
        if (jpeg_read_scanlines(&decoder, &row, 1) != 1)
            return Step::cut_off;
    }
    return Step::done;
}

int orientation_of(const jpeg_decompress_struct& decoder) {
    for (const jpeg_marker_struct* marker = decoder.marker_list; marker != nullptr;
         marker = marker->next)
        if (marker->data_length >= 6 && std::memcmp(marker->data, "Exif\0\0", 6) == 0)
            return exif_orientation({marker->data, marker->data_length});
    return 1;
}

} // namespace

Image decode_jpeg(Bytes bytes, const DecodeOptions& options) {
    JpegReader reader(bytes);
    switch (reader.read_header()) {
    case Step::broken:
        fail_picture(PictureFormat::jpeg, reader.message);
    case Step::cut_off:
        fail_cut_off(PictureFormat::jpeg, "in its header");
    case Step::done:
        break;
    }
    jpeg_decompress_struct& decoder = reader.decoder;
    check_picture_size(decoder.image_width, decoder.image_height, options);
    PixelMode mode = PixelMode::rgb;
    if (decoder.num_components == 1) {
        mode = PixelMode::grey;
        decoder.out_color_space = JCS_GRAYSCALE;
    } else if (decoder.num_components == 3) {
        decoder.out_color_space = JCS_RGB;
    } else if (decoder.num_components == 4) {
        mode = PixelMode::cmyk;
        decoder.out_color_space = JCS_CMYK;
    } else {
        fail_picture(PictureFormat::jpeg, concat(decoder.num_components, " colour channels"));
    }
    if (reader.choose_size(options) != Step::done)
        fail_picture(PictureFormat::jpeg, reader.message);
    Image image = make_image(static_cast<int>(decoder.output_width),
                             static_cast<int>(decoder.output_height), mode, "JPEG");
    image.orientation = orientation_of(decoder);
    switch (reader.read_rows(image.pixels.data(), image.row_bytes())) {
    case Step::broken:
        fail_picture(PictureFormat::jpeg, reader.message);
    case Step::cut_off:
        fail_cut_off(PictureFormat::jpeg,
                     concat("row ", decoder.output_scanline, " of ", decoder.output_height));
    case Step::done:
        break;
    }
    if (mode == PixelMode::cmyk) // stored as light, the way that Adobe does it
        for (std::size_t i = 0; i < image.pixels.size(); ++i)
            image.pixels.data()[i] = static_cast<std::uint8_t>(255 - image.pixels.data()[i]);
    return image;
}

} // namespace clip
