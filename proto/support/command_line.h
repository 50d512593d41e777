// How every program of ours reads its command line: CLI11, in one style.
//
//   CLI::App app("Takes picture requests and has workers run them.");
//   AddText(app, "--listen", flags.listen, "HOST:PORT", "for clients and workers");
//   AddNumber(app, "--max-queue", flags.max_queue, 0, 1'000'000, "jobs that may wait");
//   GiveTwins(app);
//   ParseCommandLine(app, argc, argv);
//
// Needs CLI11 alone, so that the engine's programs can use it; flags of Abseil's types: flag_types.h.
#ifndef MIND_PROTO_SUPPORT_COMMAND_LINE_H_
#define MIND_PROTO_SUPPORT_COMMAND_LINE_H_

#include <CLI/CLI.hpp>
#include <charconv>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace mind {

// Takes a flag's value. Gives "", or why it is none and what is allowed: the name goes before it.
using FlagReader = std::function<std::string(const std::string& value)>;

// Help in our layout; --help and --version. Call before adding flags and subcommands: these take it over.
void SetUpCommandLine(CLI::App& app);

// A flag with a value of some kind, which `type` says: "HOST:PORT", "N". A positional, if its name has no
// dashes.
CLI::Option* AddFlag(CLI::App& app, const std::string& name, const std::string& type, FlagReader read,
                     const std::string& help);
// One that may be given again; `read` takes each of the values.
CLI::Option* AddRepeatedFlag(CLI::App& app, const std::string& name, const std::string& type, FlagReader read,
                             const std::string& help);
// --name, --no-name, --name=true|false. Its value before is the default.
CLI::Option* AddSwitch(CLI::App& app, const std::string& name, bool& value, const std::string& help);
// Any text. Its value before is the default.
CLI::Option* AddText(CLI::App& app, const std::string& name, std::string& value, const std::string& type,
                     const std::string& help);
CLI::Option* AddTexts(CLI::App& app, const std::string& name, std::vector<std::string>& values,
                      const std::string& type, const std::string& help);

// Reads a number from `least` to `most` and hands it over.
template <typename T>
FlagReader Number(std::function<void(T)> take, T least = std::numeric_limits<T>::lowest(),
                  T most = std::numeric_limits<T>::max());
// A flag of a number; its value before is the default.
template <typename T>
CLI::Option* AddNumber(CLI::App& app, const std::string& name, T& value, T least, T most,
                       const std::string& help);

// Gives every flag of the program the environment twin of its name: MIND_MAX_QUEUE for --max-queue.
void GiveTwins(CLI::App& app);
CLI::Option* GiveTwin(CLI::Option* option);

// Reads the command line, and the twins of flags that are not on it. Underscores in names count as dashes.
// Ends the program: with 0 after --help or --version; with 2, having said what is wrong and what is allowed,
// where something is.
void ParseCommandLine(CLI::App& app, int argc, char** argv);

// ------------------------------------------------------------------------------------------------------------

namespace command_line_internal {

// "a whole number from 0 to 9", or without the ends that are the type's own.
std::string NumberWanted(bool whole, const std::string& least, const std::string& most);
std::string NumberText(double value);

template <typename T>
std::string TextOf(T value) {
  if constexpr (std::is_integral_v<T>) return std::to_string(value);
  return NumberText(static_cast<double>(value));
}

}  // namespace command_line_internal

template <typename T>
FlagReader Number(std::function<void(T)> take, T least, T most) {
  return [take = std::move(take), least, most](const std::string& text) -> std::string {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    // Not-a-numbers lie between no ends.
    if (error == std::errc() && end == text.data() + text.size() && value >= least && value <= most) {
      take(value);
      return "";
    }
    using command_line_internal::TextOf;
    using Limits = std::numeric_limits<T>;
    return "\"" + text + "\" is not " +
           command_line_internal::NumberWanted(std::is_integral_v<T>,
                                               least == Limits::lowest() && least < T{0} ? "" : TextOf(least),
                                               most == Limits::max() ? "" : TextOf(most));
  };
}

template <typename T>
CLI::Option* AddNumber(CLI::App& app, const std::string& name, T& value, T least, T most,
                       const std::string& help) {
  return AddFlag(app, name, "N", Number<T>([&value](T given) { value = given; }, least, most), help)
      ->default_str(command_line_internal::TextOf(value));
}

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_COMMAND_LINE_H_
