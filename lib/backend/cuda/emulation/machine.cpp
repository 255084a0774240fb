// SPDX-License-Identifier: MIT
#include "backend/cuda/emulation/machine.hpp"

#include <charconv>
#include <string>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::cuda::emulation {

namespace {

[[noreturn]] void refuse(std::string_view word) {
    fail(ErrorCode::invalid_argument, concat("parse emulated CUDA machine: bad word (got ", word,
                                             ", want such as devices=1,memory=64M,fail_launch=3)"));
}

std::uint64_t number(std::string_view text, std::string_view word) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    if (error != std::errc{} || unit.size() > 1)
        refuse(word);
    if (unit.empty())
        return value;
    switch (unit[0]) {
    case 'K':
        return value << 10;
    case 'M':
        return value << 20;
    case 'G':
        return value << 30;
    default:
        refuse(word);
    }
}

Machine::Driver driver(std::string_view text, std::string_view word) {
    if (text == "ready")
        return Machine::Driver::ready;
    if (text == "none")
        return Machine::Driver::none;
    if (text == "old")
        return Machine::Driver::old;
    refuse(word);
}

void take(Machine& machine, std::string_view word) {
    const std::size_t sign = word.find('=');
    if (sign == std::string_view::npos)
        refuse(word);
    const std::string_view name = word.substr(0, sign), text = word.substr(sign + 1);
    if (name == "driver") {
        machine.driver = driver(text, word);
        return;
    }
    const std::uint64_t value = number(text, word);
    if (name == "devices")
        machine.devices = static_cast<int>(value);
    else if (name == "capability")
        machine.capability = static_cast<int>(value);
    else if (name == "memory")
        machine.memory_bytes = value;
    else if (name == "fail_allocation")
        machine.fail_allocation = value;
    else if (name == "fail_launch")
        machine.fail_launch = value;
    else if (name == "fault_launch")
        machine.fault_launch = value;
    else if (name == "no_graphs")
        machine.no_graphs = value != 0;
    else if (name == "lazy")
        machine.lazy = value != 0;
    else
        refuse(word);
}

} // namespace

Machine parse_machine(std::string_view text) {
    Machine machine;
    while (!text.empty()) {
        const std::size_t comma = text.find(',');
        take(machine, text.substr(0, comma));
        text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
    }
    return machine;
}

} // namespace clip::cuda::emulation
