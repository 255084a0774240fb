// SPDX-License-Identifier: MIT
// Reads SVG and the HTML of contact sheets strictly: what is not well-formed is an error.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct Element {
    std::string name;
    std::map<std::string, std::string> attributes; ///< unescaped
    std::string text;                              ///< right inside, unescaped
    std::size_t depth = 0;
};

class MarkupReader {
  public:
    /// `html`: elements without an end are allowed, and <style> holds raw text.
    static std::vector<Element> read(std::string_view text, bool html) {
        MarkupReader reader(text, html);
        reader.read_all();
        return std::move(reader.elements_);
    }

  private:
    MarkupReader(std::string_view text, bool html) : text_(text), html_(html) {}

    [[noreturn]] void fail(const std::string& what) const {
        throw std::runtime_error(what + " at byte " + std::to_string(at_) + ": " +
                                 std::string(text_.substr(at_, 60)));
    }
    bool take(std::string_view expected) {
        if (text_.substr(at_, expected.size()) != expected)
            return false;
        at_ += expected.size();
        return true;
    }
    std::string take_until(char end) {
        const std::size_t found = text_.find(end, at_);
        if (found == std::string_view::npos)
            fail("nothing ends this");
        std::string out(text_.substr(at_, found - at_));
        at_ = found + 1;
        return out;
    }
    std::string take_name() {
        const std::size_t begin = at_;
        while (at_ < text_.size() && text_.find_first_of(" =>/\n\t\"'<", at_) != at_)
            ++at_;
        if (begin == at_)
            fail("no name");
        return std::string(text_.substr(begin, at_ - begin));
    }
    std::string unescape(std::string_view raw) const {
        static const std::map<std::string_view, char> known{
            {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"#39", '\''}};
        std::string out;
        for (std::size_t i = 0; i < raw.size(); ++i) {
            if (raw[i] == '<' || raw[i] == '>')
                fail("a bracket that is not escaped");
            if (raw[i] != '&') {
                out += raw[i];
                continue;
            }
            const std::size_t end = raw.find(';', i);
            const auto found = end == std::string_view::npos
                                   ? known.end()
                                   : known.find(raw.substr(i + 1, end - i - 1));
            if (found == known.end())
                fail("an unknown entity");
            out += found->second;
            i = end;
        }
        return out;
    }

    void read_all() {
        if (html_ ? !take("<!DOCTYPE html>\n")
                  : !take("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"))
            fail("no declaration");
        while (at_ < text_.size()) {
            if (take("</"))
                close();
            else if (take("<"))
                open();
            else
                read_text();
        }
        if (!stack_.empty())
            fail("an element that does not end: " + elements_[stack_.back()].name);
    }
    void read_text() {
        const std::size_t end = std::min(text_.find('<', at_), text_.size());
        const std::string text = unescape(text_.substr(at_, end - at_));
        if (!stack_.empty())
            elements_[stack_.back()].text += text;
        else if (text.find_first_not_of('\n') != std::string::npos)
            fail("text outside of everything");
        at_ = end;
    }
    void close() {
        const std::string name = take_until('>');
        if (stack_.empty() || elements_[stack_.back()].name != name)
            fail("an end of something else: " + name);
        stack_.pop_back();
    }
    void open() {
        Element element;
        element.name = take_name();
        element.depth = stack_.size();
        while (take(" ")) {
            const std::string name = take_name();
            if (!take("=\""))
                fail("an attribute without quotes");
            if (!element.attributes.try_emplace(name, unescape(take_until('"'))).second)
                fail("an attribute twice: " + name);
        }
        const bool empty = take("/>");
        if (!empty && !take(">"))
            fail("a tag that does not end");
        elements_.push_back(element);
        const bool is_void = html_ && (element.name == "meta" || element.name == "img");
        if (html_ && element.name == "style") {
            const std::size_t end = text_.find("</style>", at_);
            elements_.back().text = text_.substr(at_, end - at_);
            at_ = end + 8;
        } else if (!empty && !is_void) {
            stack_.push_back(elements_.size() - 1);
        }
    }

    std::string_view text_;
    bool html_;
    std::size_t at_ = 0;
    std::vector<Element> elements_;
    std::vector<std::size_t> stack_;
};

/// The elements of one name.
inline std::vector<Element> named(const std::vector<Element>& elements, std::string_view name) {
    std::vector<Element> out;
    for (const Element& element : elements)
        if (element.name == name)
            out.push_back(element);
    return out;
}
