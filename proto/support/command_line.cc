#include "proto/support/command_line.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace mind {
namespace {

constexpr size_t kHelpColumn = 30;
constexpr size_t kHelpWidth = 70;

// `text` in lines of at most kHelpWidth characters, broken at spaces.
std::string Wrapped(const std::string& text) {
  std::string out, line;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (!line.empty() && line.size() + 1 + word.size() > kHelpWidth) {
      out += line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return out + line;
}

// What it is, then on a line of its own what it is by default and what its twin is called.
class HelpLayout : public CLI::Formatter {
 public:
  HelpLayout() { column_width(kHelpColumn); }

  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    // CLI11 would list the negative form of a switch as a name with a value.
    const std::string name = CLI::Formatter::make_option_name(option, positional);
    const size_t negative = name.find(",--no-");
    return negative == std::string::npos ? name : "--[no-]" + name.substr(2, negative - 2);
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    std::string type = option->get_type_size() == 0 ? "" : option->get_type_name();
    if (option->get_positional()) type.clear();  // its name says it
    return (type.empty() ? "" : " " + type) + (option->get_required() ? " (needed)" : "");
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    std::string facts;
    const auto add = [&facts](const std::string& fact) { facts += (facts.empty() ? "" : "; ") + fact; };
    if (!option->get_default_str().empty()) add("default " + option->get_default_str());
    if (!option->get_envname().empty()) add("environment " + option->get_envname());
    return Wrapped(option->get_description()) + (facts.empty() ? "" : "\n[" + facts + "]");
  }
};

std::string TwinOf(std::string name) {
  for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return "MIND_" + name;
}

// As CLI11 knows it: dashes for underscores, and --no-name for Abseil's --noname.
std::string Spelled(const CLI::App& app, std::string argument) {
  if (argument.rfind("--", 0) != 0) return argument;
  const size_t end = std::min(argument.find('='), argument.size());
  std::replace(argument.begin() + 2, argument.begin() + static_cast<std::ptrdiff_t>(end), '_', '-');
  if (argument.rfind("--no", 0) != 0 || app.get_option_no_throw(argument) != nullptr) return argument;
  const std::string dashed = "--no-" + argument.substr(4);
  return app.get_option_no_throw(dashed) != nullptr ? dashed : argument;
}

std::string BaseName(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

// Of a flag that was refused: where its value came from, if that is not the command line.
std::string Origin(const CLI::App& app, const std::string& message, const std::vector<std::string>& given) {
  for (const CLI::Option* const option : app.get_options()) {
    const std::string name = option->get_name();
    if (option->get_envname().empty() || message.rfind(name + ": ", 0) != 0) continue;
    const bool on_the_line = std::any_of(given.begin(), given.end(), [&name](const std::string& argument) {
      return argument == name || argument.rfind(name + "=", 0) == 0;
    });
    return on_the_line ? "" : " (from " + option->get_envname() + ")";
  }
  return "";
}

// What CLI11 itself takes for a switch's value, with our words for the rest.
CLI::Validator Truth() {
  return CLI::Validator(
      [](std::string& text) -> std::string {
        try {
          CLI::detail::to_flag_value(text);
          return "";
        } catch (const std::exception&) {
          return "\"" + text + "\" is not true or false";
        }
      },
      "");
}

CLI::callback_t Callback(const std::string& name, FlagReader read) {
  // CLI11's own messages begin with the first long name.
  const std::string shown = name.substr(name.find("--") == std::string::npos ? 0 : name.find("--"));
  return [shown = shown.substr(0, shown.find(',')), read = std::move(read)](const CLI::results_t& values) {
    for (const std::string& value : values) {
      if (const std::string error = read(value); !error.empty()) throw CLI::ValidationError(shown, error);
    }
    return true;
  };
}

}  // namespace

namespace command_line_internal {

std::string NumberWanted(bool whole, const std::string& least, const std::string& most) {
  std::string wanted = whole ? "a whole number" : "a number";
  if (!least.empty()) wanted += (most.empty() ? " of at least " : " from ") + least;
  if (!most.empty()) wanted += (least.empty() ? " of at most " : " to ") + most;
  return wanted;
}

std::string NumberText(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace command_line_internal

void SetUpCommandLine(CLI::App& app) {
  app.formatter(std::make_shared<HelpLayout>());
  app.set_help_flag("-h,--help", "Print this help");
  app.set_version_flag("--version", MIND_VERSION, "Print the version");
}

CLI::Option* AddFlag(CLI::App& app, const std::string& name, const std::string& type, FlagReader read,
                     const std::string& help) {
  return app.add_option(name, Callback(name, std::move(read)), help)->type_name(type);
}

CLI::Option* AddRepeatedFlag(CLI::App& app, const std::string& name, const std::string& type, FlagReader read,
                             const std::string& help) {
  return AddFlag(app, name, type, std::move(read), help)
      ->expected(1, CLI::detail::expected_max_vector_size)
      ->allow_extra_args(name.front() != '-');  // several in a row are positionals only
}

CLI::Option* AddSwitch(CLI::App& app, const std::string& name, bool& value, const std::string& help) {
  return app.add_flag(name + ",!--no-" + name.substr(2), value, help)
      ->check(Truth())
      ->default_str(value ? "true" : "false");
}

CLI::Option* AddText(CLI::App& app, const std::string& name, std::string& value, const std::string& type,
                     const std::string& help) {
  return AddFlag(
             app, name, type,
             [&value](const std::string& text) {
               value = text;
               return std::string();
             },
             help)
      ->default_str(value);
}

CLI::Option* AddTexts(CLI::App& app, const std::string& name, std::vector<std::string>& values,
                      const std::string& type, const std::string& help) {
  return AddRepeatedFlag(
      app, name, type,
      [&values](const std::string& text) {
        values.push_back(text);
        return std::string();
      },
      help);
}

CLI::Option* GiveTwin(CLI::Option* option) {
  return option->envname(TwinOf(option->get_lnames().front()));
}

void GiveTwins(CLI::App& app) {
  for (CLI::Option* const option : app.get_options()) {
    if (option->get_lnames().empty() || option == app.get_help_ptr() || option == app.get_version_ptr())
      continue;
    GiveTwin(option);
  }
}

void ParseCommandLine(CLI::App& app, int argc, char** argv) {
  app.name(BaseName(argv[0]));
  std::vector<std::string> given;
  bool names = true;  // up to "--"
  for (int i = 1; i < argc; ++i) {
    given.push_back(names ? Spelled(app, argv[i]) : argv[i]);
    names = names && given.back() != "--";
  }
  try {
    app.parse(std::vector<std::string>(given.rbegin(), given.rend()));
  } catch (const CLI::Success& e) {
    std::exit(app.exit(e));
  } catch (const CLI::ParseError& e) {
    std::fprintf(stderr, "%s: %s%s; see --help\n", app.get_name().c_str(), e.what(),
                 Origin(app, e.what(), given).c_str());
    std::exit(2);
  }
}

}  // namespace mind
