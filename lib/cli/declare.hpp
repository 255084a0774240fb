// SPDX-License-Identifier: MIT
// How a command declares its options. These take the place of CLI11's own add_option and add_flag,
// which read numbers by the locale's rules, take "{}" for an empty list, split "[a,b]" in two, and
// refuse an option that is given twice.
//
// `names` is CLI11's spelling: "-m,--model", "--resume", or a bare "INPUT" for an operand. `brief`
// is the line of the help text (at most 60 columns, lower case, no dot). `details` are the
// sentences that the man page adds; a blank line between paragraphs. All must outlive the parsing
// by reference only through `target`, which is left as it was when the option is not given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace clip::cli {

/// A switch. "--progress,!--no-progress" declares its opposite as well; the last one given wins.
CLI::Option* add_switch(CLI::App& app, const std::string& names, bool& target,
                        const std::string& brief, const std::string& details = "");

/// A value as it stands. Where every alternative of `value_name` is a word ("jsonl|h5|npy"), others
/// are refused; where a file or folder is wanted, an empty value is. A non-empty `target` is shown
/// as the default. The last one given wins.
CLI::Option* add_text(CLI::App& app, const std::string& names, std::string& target,
                      const std::string& value_name, const std::string& brief,
                      const std::string& details = "");

/// A list: each time the option is given adds one value, whatever its bytes.
CLI::Option* add_list(CLI::App& app, const std::string& names, std::vector<std::string>& target,
                      const std::string& value_name, const std::string& brief,
                      const std::string& details = "");

/// A list whose values may also be given at once, separated by commas; blanks around them and
/// empty ones are dropped.
CLI::Option* add_comma_list(CLI::App& app, const std::string& names,
                            std::vector<std::string>& target, const std::string& value_name,
                            const std::string& brief, const std::string& details = "");

/// A number in [least, most], with a dot for its point whatever the locale. T is std::size_t,
/// std::int64_t, float or double. A target other than 0 is shown as the default.
template <typename T>
CLI::Option* add_number(CLI::App& app, const std::string& names, T& target,
                        const std::string& value_name, const std::string& brief,
                        const std::string& details = "", T least = std::numeric_limits<T>::lowest(),
                        T most = std::numeric_limits<T>::max());

/// The same for a number that may be absent.
template <typename T>
CLI::Option* add_number(CLI::App& app, const std::string& names, std::optional<T>& target,
                        const std::string& value_name, const std::string& brief,
                        const std::string& details = "", T least = std::numeric_limits<T>::lowest(),
                        T most = std::numeric_limits<T>::max());

/// Operands, none or any number, in the order given. `name` is what usage shows: "INPUT".
CLI::Option* add_operands(CLI::App& app, const std::string& name, std::vector<std::string>& target,
                          const std::string& brief);

/// One operand that must be given. Several are filled in the order of their declaration.
CLI::Option* add_operand(CLI::App& app, const std::string& name, std::string& target,
                         const std::string& brief);

} // namespace clip::cli
