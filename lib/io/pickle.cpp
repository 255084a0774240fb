// SPDX-License-Identifier: MIT
#include "io/pickle.hpp"

#include <bit>
#include <charconv>
#include <cstdlib>
#include <unordered_map>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::io {

using Kind = PickleValue::Kind;

namespace {

/// A checkpoint's pickle holds names and shapes: a training run's, with its optimizer, about 1 MiB.
constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
constexpr std::size_t kMaxValues = std::size_t{1} << 20;
constexpr std::size_t kMaxItems = std::size_t{1} << 24;
constexpr std::size_t kMaxNameBytes = 4096; ///< of a module or a class

} // namespace

/// The stack machine. Every step consumes input and makes at most one value.
class PickleMachine {
  public:
    PickleMachine(Pickle& out, std::span<const std::byte> bytes, const std::string& what)
        : out_(out), bytes_(bytes), what_(what) {}

    void run() {
        while (step()) {
        }
        out_.root_ = pop();
        out_.consumed_ = at_;
    }

  private:
    [[noreturn]] void broken(std::string_view why) const {
        fail(ErrorCode::bad_format, concat(what_, ": broken pickle at byte ", at_, ": ", why));
    }

    // ---- input
    std::string_view take(std::uint64_t size) {
        if (size > bytes_.size() - at_)
            fail(ErrorCode::truncated, concat(what_, ": pickle ends inside an instruction"));
        const std::string_view part(reinterpret_cast<const char*>(bytes_.data()) + at_, size);
        at_ += size;
        if (at_ > kMaxBytes)
            fail(ErrorCode::bad_format, what_ + ": pickle is larger than a checkpoint's can be");
        return part;
    }
    std::string_view line() {
        const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + at_,
                                    bytes_.size() - at_);
        const std::size_t end = rest.find('\n');
        if (end == std::string_view::npos)
            fail(ErrorCode::truncated, what_ + ": pickle ends inside a line");
        take(end + 1);
        return rest.substr(0, end);
    }
    std::uint64_t number(std::size_t size) {
        const std::string_view from = take(size);
        std::uint64_t value = 0;
        for (std::size_t i = size; i-- > 0;)
            value = value << 8 | static_cast<unsigned char>(from[i]);
        return value;
    }

    // ---- values and stack
    std::uint32_t make(Kind kind) {
        if (out_.values_.size() >= kMaxValues)
            fail(ErrorCode::bad_format,
                 what_ + ": pickle has more values than a checkpoint's can have");
        out_.values_.emplace_back().kind = kind;
        return static_cast<std::uint32_t>(out_.values_.size() - 1);
    }
    PickleValue& value(std::uint32_t index) { return out_.values_[index]; }
    void push(std::uint32_t index) { stack_.push_back(index); }
    void push(Kind kind) { push(make(kind)); }
    void push_integer(std::int64_t integer, Kind kind = Kind::integer) {
        push(kind);
        value(stack_.back()).integer = integer;
    }
    void push_text(std::string_view text, Kind kind) {
        push(kind);
        value(stack_.back()).text = text;
    }
    /// Copies of containers could otherwise grow with the square of the input.
    void count_items(std::size_t more) {
        items_ += more;
        if (items_ > kMaxItems)
            fail(ErrorCode::bad_format,
                 what_ + ": pickle has more items than a checkpoint's can have");
    }
    void push_items(Kind kind, std::vector<std::uint32_t> items) {
        count_items(items.size());
        push(kind);
        value(stack_.back()).items = std::move(items);
    }
    std::uint32_t pop() {
        if (stack_.size() <= floor())
            broken("nothing on the stack");
        const std::uint32_t index = stack_.back();
        stack_.pop_back();
        return index;
    }
    std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
    PickleValue& top(Kind kind, std::string_view why) {
        if (stack_.size() <= floor() || value(stack_.back()).kind != kind)
            broken(why);
        return value(stack_.back());
    }
    std::vector<std::uint32_t> pop_to_mark() {
        if (marks_.empty())
            broken("no mark");
        std::vector<std::uint32_t> items(
            stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
        stack_.resize(marks_.back());
        marks_.pop_back();
        return items;
    }
    std::vector<std::uint32_t> pop_several(std::size_t count) {
        std::vector<std::uint32_t> items(count);
        for (std::size_t i = count; i-- > 0;)
            items[i] = pop();
        return items;
    }
    void append(PickleValue& to, const std::vector<std::uint32_t>& items) {
        count_items(items.size());
        to.items.insert(to.items.end(), items.begin(), items.end());
    }
    void append_pairs(const std::vector<std::uint32_t>& items) {
        if (items.size() % 2 != 0)
            broken("a key without a value");
        append(container(), items);
    }
    /// What SETITEM and APPEND add to. A subclass of dict or list is a call that gets items.
    PickleValue& container() {
        if (stack_.size() <= floor())
            broken("no container");
        PickleValue& found = value(stack_.back());
        if (found.kind == Kind::call) {
            scratch_ = {};
            return scratch_; // the items of a foreign class are nothing that a checkpoint needs
        }
        if (found.kind != Kind::dict && found.kind != Kind::list)
            broken("items for a value that is no container");
        return found;
    }
    void remember(std::uint64_t slot) {
        if (stack_.size() <= floor())
            broken("nothing to remember");
        memo_[slot] = stack_.back();
    }
    void recall(std::uint64_t slot) {
        const auto found = memo_.find(slot);
        if (found == memo_.end())
            broken("a value that was not remembered");
        push(found->second);
    }

    // ---- instructions
    void push_decimal(std::string_view text, bool booleans) {
        if (booleans && (text == "00" || text == "01"))
            return push_integer(text == "01" ? 1 : 0, Kind::boolean);
        if (!text.empty() && text.back() == 'L')
            text.remove_suffix(1);
        std::int64_t parsed = 0;
        const auto end = text.data() + text.size();
        const auto result = std::from_chars(text.data(), end, parsed);
        if (result.ec == std::errc::result_out_of_range)
            return push_text(text, Kind::text);
        if (result.ec != std::errc{} || result.ptr != end)
            broken("not a number");
        push_integer(parsed);
    }
    void push_long(std::uint64_t size) {
        const std::string_view digits = take(size);
        if (size > 8)
            return push_text(digits, Kind::bytes);
        std::uint64_t bits = 0;
        for (std::size_t i = size; i-- > 0;)
            bits = bits << 8 | static_cast<unsigned char>(digits[i]);
        if (size > 0 && size < 8 && (static_cast<unsigned char>(digits.back()) & 0x80) != 0)
            bits |= ~std::uint64_t{0} << (8 * size);
        push_integer(static_cast<std::int64_t>(bits));
    }
    void push_real(double real) {
        push(Kind::real);
        value(stack_.back()).real = real;
    }
    void push_real_big_endian() {
        const std::string_view from = take(8);
        std::uint64_t bits = 0;
        for (const char byte : from)
            bits = bits << 8 | static_cast<unsigned char>(byte);
        push_real(std::bit_cast<double>(bits));
    }
    void push_decimal_real(std::string_view text) {
        double parsed = 0.0;
        const auto result = std::from_chars(text.data(), text.data() + text.size(), parsed);
        if (result.ec != std::errc{})
            broken("not a number");
        push_real(parsed);
    }
    /// Python's repr of a string; escapes are left as they are, since names have none.
    void push_quoted(std::string_view text) {
        if (text.size() < 2 || text.front() != text.back() ||
            (text.front() != '\'' && text.front() != '"'))
            broken("a string without quotes");
        push_text(text.substr(1, text.size() - 2), Kind::text);
    }
    void stack_global() {
        const std::uint32_t name = pop();
        const std::uint32_t module = pop();
        if (value(name).kind != Kind::text || value(module).kind != Kind::text)
            broken("a class without a name");
        if (value(name).text.size() > kMaxNameBytes || value(module).text.size() > kMaxNameBytes)
            broken("a class with too long a name");
        push_text(concat(value(module).text, ".", value(name).text), Kind::global);
    }
    /// Calls are recorded. The one exception is the constructor of an empty or given OrderedDict,
    /// which is what a state dict is.
    void call(std::uint32_t callable, std::uint32_t arguments) {
        const PickleValue& args = value(arguments);
        if (args.kind != Kind::tuple)
            broken("arguments that are no tuple");
        const PickleValue& what = value(callable);
        if (what.kind == Kind::global && what.text == "collections.OrderedDict" &&
            args.items.size() <= 1) {
            std::vector<std::uint32_t> items;
            if (args.items.size() == 1)
                for (const std::uint32_t pair : value(args.items[0]).items) {
                    if (value(pair).items.size() != 2)
                        broken("an OrderedDict of something else than pairs");
                    count_items(2);
                    append_to(items, value(pair).items);
                }
            return push_items(Kind::dict, std::move(items));
        }
        push_items(Kind::call, {callable, arguments});
    }
    static void append_to(std::vector<std::uint32_t>& to, const std::vector<std::uint32_t>& from) {
        to.insert(to.end(), from.begin(), from.end());
    }
    void build() {
        const std::uint32_t state = pop();
        if (stack_.size() <= floor())
            broken("a state without an object");
        PickleValue& object = value(stack_.back());
        // Attributes of a dict (a state dict's _metadata) are none of its items.
        if (object.kind == Kind::call)
            object.items.push_back(state);
    }
    void persistent(std::uint32_t id) { push_items(Kind::persistent, {id}); }

    /// False at the end of the pickle.
    bool step() {
        const char op = take(1)[0];
        switch (op) {
        case '.':
            return false;
        case '\x80': // PROTO
            if (number(1) > 5)
                fail(ErrorCode::unsupported, what_ + ": pickle of a protocol newer than 5");
            break;
        case '\x95': // FRAME: a hint for readers of streams
            number(8);
            break;
        case '(':
            marks_.push_back(stack_.size());
            break;
        case '0': // POP, which also takes a mark
            if (!marks_.empty() && stack_.size() == marks_.back())
                marks_.pop_back();
            else
                pop();
            break;
        case '1':
            pop_to_mark();
            break;
        case '2': { // DUP
            const std::uint32_t index = pop();
            push(index);
            push(index);
            break;
        }
        case 'N':
            push(Kind::none);
            break;
        case '\x88':
        case '\x89':
            push_integer(op == '\x88' ? 1 : 0, Kind::boolean);
            break;
        case 'I':
            push_decimal(line(), true);
            break;
        case 'L':
            push_decimal(line(), false);
            break;
        case 'J':
            push_integer(static_cast<std::int32_t>(number(4)));
            break;
        case 'K':
            push_integer(static_cast<std::int64_t>(number(1)));
            break;
        case 'M':
            push_integer(static_cast<std::int64_t>(number(2)));
            break;
        case '\x8a':
            push_long(number(1));
            break;
        case '\x8b':
            push_long(number(4));
            break;
        case 'F':
            push_decimal_real(line());
            break;
        case 'G':
            push_real_big_endian();
            break;
        default:
            return step_text(op) || step_container(op) || step_object(op) || unknown(op);
        }
        return true;
    }

    bool step_text(char op) {
        switch (op) {
        case 'V':
            push_text(line(), Kind::text);
            return true;
        case 'S':
            push_quoted(line());
            return true;
        case 'X':
        case 'T':
            push_text(take(number(4)), Kind::text);
            return true;
        case '\x8c':
        case 'U':
            push_text(take(number(1)), Kind::text);
            return true;
        case '\x8d':
            push_text(take(number(8)), Kind::text);
            return true;
        case 'C':
            push_text(take(number(1)), Kind::bytes);
            return true;
        case 'B':
            push_text(take(number(4)), Kind::bytes);
            return true;
        case '\x8e':
        case '\x96':
            push_text(take(number(8)), Kind::bytes);
            return true;
        default:
            return false;
        }
    }

    bool step_container(char op) {
        switch (op) {
        case ')':
            push(Kind::tuple);
            return true;
        case ']':
        case '\x8f': // EMPTY_SET
            push(Kind::list);
            return true;
        case '}':
            push(Kind::dict);
            return true;
        case 't':
            push_items(Kind::tuple, pop_to_mark());
            return true;
        case '\x85':
        case '\x86':
        case '\x87':
            push_items(Kind::tuple, pop_several(static_cast<std::size_t>(op - '\x84')));
            return true;
        case 'l':
        case '\x91': // FROZENSET
            push_items(Kind::list, pop_to_mark());
            return true;
        case 'd': {
            std::vector<std::uint32_t> items = pop_to_mark();
            if (items.size() % 2 != 0)
                broken("a key without a value");
            push_items(Kind::dict, std::move(items));
            return true;
        }
        case 'a': {
            const std::uint32_t item = pop();
            append(container(), {item});
            return true;
        }
        case 'e':
        case '\x90': { // ADDITEMS
            const std::vector<std::uint32_t> items = pop_to_mark();
            append(container(), items);
            return true;
        }
        case 's':
            append_pairs(pop_several(2));
            return true;
        case 'u':
            append_pairs(pop_to_mark());
            return true;
        default:
            return false;
        }
    }

    bool step_object(char op) {
        switch (op) {
        case 'c': {
            const std::string_view module = line();
            const std::string_view name = line();
            push_text(concat(module, ".", name), Kind::global);
            return true;
        }
        case '\x93':
            stack_global();
            return true;
        case 'R':
        case '\x81': { // NEWOBJ
            const std::uint32_t arguments = pop();
            const std::uint32_t callable = pop();
            call(callable, arguments);
            return true;
        }
        case '\x92': { // NEWOBJ_EX: keywords are kept by nobody
            pop();
            const std::uint32_t arguments = pop();
            const std::uint32_t callable = pop();
            call(callable, arguments);
            return true;
        }
        case 'b':
            build();
            return true;
        case 'P':
            push_text(line(), Kind::text);
            persistent(pop());
            return true;
        case 'Q':
            persistent(pop());
            return true;
        case 'g': {
            push_decimal(line(), false);
            recall(static_cast<std::uint64_t>(value(pop()).integer));
            return true;
        }
        case 'h':
            recall(number(1));
            return true;
        case 'j':
            recall(number(4));
            return true;
        case 'p': {
            push_decimal(line(), false);
            const auto slot = static_cast<std::uint64_t>(value(pop()).integer);
            remember(slot);
            return true;
        }
        case 'q':
            remember(number(1));
            return true;
        case 'r':
            remember(number(4));
            return true;
        case '\x94': // MEMOIZE
            remember(memo_.size());
            return true;
        default:
            return false;
        }
    }

    [[noreturn]] bool unknown(char op) const {
        fail(ErrorCode::unsupported,
             concat(what_, ": pickle instruction ",
                    static_cast<int>(static_cast<unsigned char>(op)), " at byte ", at_ - 1));
    }

    Pickle& out_;
    std::span<const std::byte> bytes_;
    const std::string& what_;
    std::size_t at_ = 0;
    std::vector<std::uint32_t> stack_;
    std::vector<std::size_t> marks_; ///< sizes of the stack when they were set
    std::unordered_map<std::uint64_t, std::uint32_t> memo_;
    PickleValue scratch_;
    std::size_t items_ = 0; ///< in all containers
};

Pickle::Pickle(std::span<const std::byte> bytes, const std::string& what) {
    PickleMachine(*this, bytes, what).run();
}

const PickleValue* Pickle::find(const PickleValue& dict, std::string_view key) const {
    const PickleValue* found = nullptr;
    if (dict.kind == Kind::dict)
        for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2)
            if (values_[dict.items[i]].kind == Kind::text && values_[dict.items[i]].text == key)
                found = &values_[dict.items[i + 1]];
    return found;
}

} // namespace clip::io
