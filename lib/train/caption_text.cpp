// SPDX-License-Identifier: MIT
#include "train/caption_text.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "io/json_text.hpp"
#include "io/utf8.hpp"

namespace clip::train {

namespace {

constexpr std::string_view kSpace = " \t\r\n\v\f";
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

std::string_view without_mark(std::string_view content) {
    return content.starts_with(kByteOrderMark) ? content.substr(kByteOrderMark.size()) : content;
}

} // namespace

bool is_blank(std::string_view text) {
    return text.find_first_not_of(kSpace) == std::string_view::npos;
}

std::vector<std::string> read_captions(io::JsonScanner& scan) {
    std::vector<std::string> out;
    const auto read_one = [&] {
        if (scan.peek() != '"')
            scan.fail_here("a caption must be a string, which is not what begins");
        out.push_back(scan.read_string());
    };
    if (scan.peek() == 'n') {
        scan.skip_value(); // null: there is none
    } else if (!scan.accept('[')) {
        read_one();
    } else if (!scan.accept(']')) {
        do
            read_one();
        while (scan.accept(','));
        scan.expect(']');
    }
    std::erase_if(out, is_blank);
    return out;
}

std::vector<std::string> captions_of_text(std::string_view content) {
    std::vector<std::string> out;
    content = without_mark(content);
    while (!content.empty()) {
        const std::size_t end = std::min(content.find_first_of("\r\n"), content.size());
        const std::string_view line = content.substr(0, end);
        content.remove_prefix(std::min(end + 1, content.size()));
        const std::size_t first = line.find_first_not_of(kSpace);
        if (first != std::string_view::npos)
            out.emplace_back(line.substr(first, line.find_last_not_of(kSpace) + 1 - first));
    }
    return out;
}

std::vector<std::string> captions_of_json(std::string_view content) {
    content = without_mark(content);
    if (!io::is_valid_utf8(content))
        fail(ErrorCode::bad_format, "the JSON object is not UTF-8");
    io::JsonScanner scan(content);
    std::vector<std::string> captions, texts;
    scan.expect('{');
    bool more = !scan.accept('}');
    while (more) {
        scan.skip_space();
        const std::string key = scan.read_string();
        scan.expect(':');
        if (key == "caption")
            captions = read_captions(scan);
        else if (key == "text")
            texts = read_captions(scan);
        else
            scan.skip_value();
        more = scan.accept(',');
        if (!more)
            scan.expect('}');
    }
    scan.skip_space();
    if (!scan.at_end())
        scan.fail_here("text after the object");
    return captions.empty() ? texts : captions;
}

} // namespace clip::train
