#include "proto/support/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "proto/support/flag_types.h"

namespace mind {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::ExitedWithCode;
using ::testing::HasSubstr;

struct Program {
  Program() : app("Does something.") {
    SetUpCommandLine(app);
    AddText(app, "--listen", listen, "HOST:PORT", "Where to listen");
    AddNumber(app, "--max-queue", max_queue, 0, 100, "Jobs that may wait");
    AddNumber(app, "--share", share, 0.0, 1.0, "How much");
    AddDuration(app, "--lease", lease, absl::Milliseconds(100), absl::Hours(1), "A worker's silence");
    AddByteCount(app, "--memory", memory, "At most");
    AddSwitch(app, "--preload", preload, "Load first");
    AddTexts(app, "--lora", loras, "NAME", "May be given again");
    AddTexts(app, "PATH", paths, "PATH", "What to look at");
    GiveTwins(app);
  }

  void Parse(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "/usr/bin/program");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    ParseCommandLine(app, static_cast<int>(argv.size()), argv.data());
  }

  CLI::App app;
  std::string listen = "127.0.0.1:1";
  int max_queue = 7;
  double share = 0.5;
  absl::Duration lease = absl::Seconds(10);
  ByteCount memory;
  bool preload = true;
  std::vector<std::string> loras, paths;
};

// What a program says on standard error when it refuses its command line.
void ExpectRefused(const std::vector<std::string>& arguments,
                   const ::testing::Matcher<const std::string&>& says) {
  EXPECT_EXIT(Program().Parse(arguments), ExitedWithCode(2), says);
}

TEST(CommandLine, KeepsDefaultsAndTakesWhatIsGiven) {
  Program program;
  program.Parse({"--max-queue", "9", "--share=0.25", "--lease", "1500ms", "--memory=8GiB", "--no-preload"});
  EXPECT_EQ(program.listen, "127.0.0.1:1");
  EXPECT_EQ(program.max_queue, 9);
  EXPECT_EQ(program.share, 0.25);
  EXPECT_EQ(program.lease, absl::Milliseconds(1500));
  EXPECT_EQ(program.memory.bytes, int64_t{8} << 30);
  EXPECT_FALSE(program.preload);
}

TEST(CommandLine, UnderstandsUnderscoresAndAbseilsSwitches) {
  for (const char* off : {"--preload=false", "--nopreload", "--no_preload", "--preload=no"}) {
    Program program;
    program.Parse({"--max_queue=3", off});
    EXPECT_EQ(program.max_queue, 3);
    EXPECT_FALSE(program.preload) << off;
  }
  Program program;
  program.Parse({"--no-preload", "--preload=true", "--max_queue", "010"});
  EXPECT_TRUE(program.preload);
  EXPECT_EQ(program.max_queue, 10);
}

TEST(CommandLine, RepeatedFlagsTakeOneValueEach) {
  Program program;
  program.Parse({"--lora", "a", "b", "--lora=c", "d", "--", "--under_scored"});
  EXPECT_THAT(program.loras, ElementsAre("a", "c"));
  EXPECT_THAT(program.paths, ElementsAre("b", "d", "--under_scored"));
}

TEST(CommandLine, TwinsStandInForFlagsThatAreNotGiven) {
  setenv("MIND_MAX_QUEUE", "5", 1);
  setenv("MIND_PRELOAD", "false", 1);
  Program from_environment, given;
  from_environment.Parse({});
  given.Parse({"--max-queue=6", "--preload"});
  ExpectRefused({"--max-queue=101"}, HasSubstr("to 100; see --help"));
  setenv("MIND_MAX_QUEUE", "many", 1);
  ExpectRefused({},
                HasSubstr("--max-queue: \"many\" is not a whole number from 0 to 100 (from MIND_MAX_QUEUE)"));
  unsetenv("MIND_MAX_QUEUE");
  unsetenv("MIND_PRELOAD");
  EXPECT_EQ(from_environment.max_queue, 5);
  EXPECT_FALSE(from_environment.preload);
  EXPECT_EQ(given.max_queue, 6);
  EXPECT_TRUE(given.preload);
}

TEST(CommandLine, RefusesByNameAndSaysWhatIsAllowed) {
  ExpectRefused({"--max-queue", "101"},
                HasSubstr("program: --max-queue: \"101\" is not a whole number from 0 to 100"));
  ExpectRefused({"--max-queue=-1"}, HasSubstr("--max-queue: \"-1\" is not"));
  ExpectRefused({"--max-queue=1.5"}, HasSubstr("--max-queue"));
  ExpectRefused({"--share=nan"}, HasSubstr("--share: \"nan\" is not a number from 0 to 1"));
  ExpectRefused({"--lease=inf"}, HasSubstr("--lease: \"inf\" is not a duration from 100ms to 1h"));
  ExpectRefused({"--lease=10"}, HasSubstr("such as 500ms, 10s or 1h30m"));
  ExpectRefused({"--memory=8GB"}, HasSubstr("--memory: \"8GB\" is not a number of bytes"));
  ExpectRefused({"--preload=maybe"}, HasSubstr("--preload: \"maybe\" is not true or false"));
  ExpectRefused({"--nonsense"}, HasSubstr("--nonsense"));
}

TEST(CommandLine, HelpListsMeaningDefaultAndTwin) {
  const std::string help = Program().app.help();
  EXPECT_THAT(help, AllOf(HasSubstr("--max-queue N"), HasSubstr("Jobs that may wait"),
                          HasSubstr("[default 7; environment MIND_MAX_QUEUE]"), HasSubstr("--lease DURATION"),
                          HasSubstr("[default 10s; environment MIND_LEASE]")));
  EXPECT_THAT(help, AllOf(HasSubstr("--[no-]preload"), HasSubstr("[default true; environment MIND_PRELOAD]"),
                          HasSubstr("--version")));
  EXPECT_EXIT(Program().Parse({"--help"}), ExitedWithCode(0), "");
}

}  // namespace
}  // namespace mind
