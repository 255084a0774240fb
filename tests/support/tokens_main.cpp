// SPDX-License-Identifier: MIT
// clip_tokens_driver BPE_FILE [-0] < TEXTS: one JSON array of token ids a line, for texts that each
// end with a NUL. What tests/parity/tokens.py compares with the oracle.
#include <cstdio>
#include <iostream>
#include <string>

#include "base/concat.hpp"
#include "data/tokenizer.hpp"

int main(int argc, char** argv) {
    if (argc < 2)
        return 2;
    const auto tokenizer = clip::find_tokenizer({argv[1]}, 0);
    if (!tokenizer)
        return 2;
    std::string text;
    while (std::getline(std::cin, text, '\0')) {
        std::string line = "[";
        for (const auto id : tokenizer->encode(text))
            line += clip::concat(line.size() > 1 ? "," : "", id);
        std::puts((line + "]").c_str());
    }
    return 0;
}
