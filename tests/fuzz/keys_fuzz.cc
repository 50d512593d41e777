// What a caller says of who he is, and for whom he speaks, and what a file of keys holds.
#include "server/trust/gatekeeper.h"
#include "server/trust/key_table.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace mind::server;

// One key, of which the seeds know the text.
constexpr char kFile[] =
    R"({"keys": [{"key": {"id": "abcdefghij", "tenant": "acme", "scopes": ["SCOPE_READ"]},
  "secret_sha256": "Qbppa8KCKST3y6DOIRv93+ZTzrPJgSVaF3W+vxEL9C0="}]})";

// `scope`: that the key has beside SCOPE_READ.
Gatekeeper* Asking(mind::v1::Scope scope) {
  KeyTable table = *ParseKeyTable(kFile);
  if (scope != mind::v1::SCOPE_UNSPECIFIED) table.keys.begin()->second.mutable_key()->add_scopes(scope);
  auto* const book = new KeyBook;
  book->SetFile(std::move(table));
  return new Gatekeeper({.keys = book,
                         .clock = [] { return absl::UnixEpoch(); },
                         .steady_clock = [] { return absl::ZeroDuration(); }});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(mind::fuzz::Text(data, size));
  // The first line is authorization, the second mind-tenant.
  const size_t line = text.find('\n');
  Credentials credentials{.authorization = text.substr(0, line)};
  if (line != std::string::npos) credentials.tenant = text.substr(line + 1);
  constexpr char kMethod[] = "mind.v1.GenerationService/GetJob";
  static Gatekeeper* const plain = Asking(mind::v1::SCOPE_UNSPECIFIED);
  static Gatekeeper* const proxy = Asking(mind::v1::SCOPE_PROXY);
  const absl::StatusOr<Caller> caller = plain->Admit(credentials, kMethod);
  if (caller.ok() && caller->tenant != "acme") std::abort();
  // Who may speak for others speaks for whom he names, if that is a name, and for nobody else.
  const absl::StatusOr<Caller> spoken_for = proxy->Admit(credentials, kMethod);
  if (spoken_for.ok()) {
    if (spoken_for->tenant != credentials.tenant.value_or("acme")) std::abort();
    if (!ValidateTenant(spoken_for->tenant).ok()) std::abort();
  } else if (!credentials.tenant && caller.ok()) {
    std::abort();
  }

  const absl::StatusOr<KeyTable> table = ParseKeyTable(text);
  if (!table.ok()) return 0;
  // What was read is written so that it is read again.
  const absl::StatusOr<KeyTable> again = ParseKeyTable(ToText(*table));
  if (!again.ok() || again->keys.size() != table->keys.size()) std::abort();
  return 0;
}
