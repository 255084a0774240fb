// SPDX-License-Identifier: MIT
#include "data/opencv_plugin/plugin.h"

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstring>
#include <exception>
#include <iostream>
#include <streambuf>
#include <string>

#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

namespace {

void say(const std::string& text, char* message, size_t message_size) {
    if (message_size == 0)
        return;
    const size_t length = std::min(text.size(), message_size - 1);
    std::memcpy(message, text.data(), length);
    message[length] = '\0';
}

/// Whether what this thread writes to std::cerr is dropped.
thread_local bool muted = false;

struct Mute {
    Mute() { muted = true; }
    ~Mute() { muted = false; }
};

/// imdecode writes why it failed straight to std::cerr. This stands before std::cerr's own buffer
/// and drops what comes from a thread that is decoding; everybody else's text passes.
class MutableBuffer final : public std::streambuf {
  public:
    explicit MutableBuffer(std::streambuf* next) : next_(next) {}

  protected:
    int_type overflow(int_type c) override {
        if (muted || traits_type::eq_int_type(c, traits_type::eof()))
            return traits_type::not_eof(c);
        return next_->sputc(traits_type::to_char_type(c));
    }
    std::streamsize xsputn(const char* text, std::streamsize count) override {
        return muted ? count : next_->sputn(text, count);
    }
    int sync() override { return muted ? 0 : next_->pubsync(); }

  private:
    std::streambuf* next_;
};

void be_quiet() {
    static const bool done = [] {
        // Never freed: std::cerr is written to until the very end of the process.
        std::cerr.rdbuf(new MutableBuffer(std::cerr.rdbuf()));
        cv::setNumThreads(1);
        cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
        cv::redirectError([](int, const char*, const char*, const char*, int, void*) { return 0; });
        return true;
    }();
    static_cast<void>(done);
}

/// OpenCV keeps blue first.
template <typename Sample>
void copy_swapped(Sample* to, const cv::Mat& from) {
    const int channels = from.channels();
    for (int y = 0; y < from.rows; ++y) {
        const auto* row = from.ptr<Sample>(y);
        for (int x = 0; x < from.cols; ++x, row += channels, to += channels) {
            for (int c = 0; c < channels; ++c)
                to[c] = row[c];
            if (channels >= 3)
                std::swap(to[0], to[2]);
        }
    }
}

std::string decode(const void* bytes, size_t size, clip_opencv_allocate allocate, void* context) {
    if (size > INT_MAX)
        return "over 2 GiB";
    be_quiet();
    // The Mat is a header over the bytes, which imdecode does not change.
    const cv::Mat input(1, static_cast<int>(size), CV_8UC1, const_cast<void*>(bytes));
    const Mute mute;
    const cv::Mat image = cv::imdecode(input, cv::IMREAD_UNCHANGED);
    if (image.empty())
        return "OpenCV cannot decode it";
    const bool wide = image.depth() == CV_16U;
    if (image.depth() != CV_8U && !wide)
        return "its samples are neither 8 nor 16 bits";
    void* to = allocate(context, image.cols, image.rows, image.channels(), wide ? 16 : 8);
    if (to == nullptr)
        return "its pixels cannot be stored";
    if (wide)
        copy_swapped(static_cast<std::uint16_t*>(to), image);
    else
        copy_swapped(static_cast<std::uint8_t*>(to), image);
    return {};
}

constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;

} // namespace

extern "C" int clip_opencv_decode(int version, const void* bytes, size_t size,
                                  clip_opencv_allocate allocate, void* context, char* message,
                                  size_t message_size) {
    try {
        const std::string problem = version == CLIP_OPENCV_VERSION
                                        ? decode(bytes, size, allocate, context)
                                        : "the plugin is of another version";
        if (problem.empty())
            return 0;
        say(problem, message, message_size);
    } catch (const cv::Exception& exception) {
        say(exception.err, message, message_size);
    } catch (const std::exception& exception) {
        say(exception.what(), message, message_size);
    } catch (...) {
        say("an unknown error", message, message_size);
    }
    return 1;
}

extern "C" int clip_opencv_measure(int version, const clip_opencv_line* line, int* width) {
    try {
        if (version != CLIP_OPENCV_VERSION)
            return 1;
        be_quiet();
        const Mute mute;
        int below = 0;
        *width = cv::getTextSize(line->text, kFont, line->scale, line->thickness, &below).width;
        return 0;
    } catch (...) {
        return 1;
    }
}

extern "C" int clip_opencv_text(int version, const clip_opencv_line* line, int x, int y,
                                unsigned char* mask, int width, int height) {
    try {
        if (version != CLIP_OPENCV_VERSION)
            return 1;
        be_quiet();
        const Mute mute;
        cv::Mat onto(height, width, CV_8UC1, mask);
        cv::putText(onto, line->text, {x, y}, kFont, line->scale, cv::Scalar(255), line->thickness,
                    cv::LINE_AA);
        return 0;
    } catch (...) {
        return 1;
    }
}
