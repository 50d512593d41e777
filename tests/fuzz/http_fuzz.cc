// What a caller sends over a connection, to a real server with all faces: requests, headers as Last-Event-ID
// and Range, bodies, several after another.
#include <sys/socket.h>
#include <unistd.h>

#include "server/http/http_server.h"
#include "server/http/kserve.h"
#include "server/http/native.h"
#include "server/http/openai.h"
#include "server/http/page.h"
#include "server/http/sdapi.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/no_generation.h"
#include "tests/support/everybody.h"
#include "tests/support/loopback.h"

namespace {

using namespace mind::server;

// For good: its threads live as long as the process.
int Port() {
  static auto* const generation = new NoGeneration;
  static auto* const everybody = new Everybody;
  // Work goes one after the other, as on the loop: the server has one thread.
  static auto* const context = new FaceContext{
      .post = [](std::function<void()> work) { work(); }, .generation = *generation, .authority = *everybody};
  static Router* const router = [] {
    auto* const made = new Router(*everybody);
    AddOpenAiFace(*context, *made);
    AddNativeFace(*context, *made);
    AddSdapiFace(*context, *made);
    AddKserveFace(*context, *made);
    AddPage(*made);
    return made;
  }();
  static HttpServer* const server =
      HttpServer::Start({.address = "127.0.0.1:0", .threads = 1, .cors_origins = {"*"}}, *router)->release();
  return server->port();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int fd = mind::support::Connect(Port());
  // It may be refused, and closed, before all of it is sent.
  for (size_t sent = 0; sent < size;) {
    const ssize_t now = send(fd, data + sent, size - sent, MSG_NOSIGNAL);
    if (now <= 0) break;
    sent += static_cast<size_t>(now);
  }
  shutdown(fd, SHUT_WR);
  char answer[4096];
  while (recv(fd, answer, sizeof answer, 0) > 0) {
  }
  close(fd);
  return 0;
}
