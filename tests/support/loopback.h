// Plain sockets to servers on this host, for what no client library does.
#ifndef MIND_TESTS_SUPPORT_LOOPBACK_H_
#define MIND_TESTS_SUPPORT_LOOPBACK_H_

#include <string>

namespace mind::support {

// A new socket that is not connected.
int NewSocket();
// Connects it to a port of 127.0.0.1. Throws std::system_error where nobody listens.
void Connect(int fd, int port);
// Both.
int Connect(int port);

// Throws std::system_error if not all of it could be handed over.
void SendAll(int fd, const std::string& bytes);
// Sends bytes, gives all that is answered until the other end closes, and closes the socket.
std::string Ask(int fd, const std::string& bytes);
// The same for GET of a target.
std::string HttpGet(int fd, const std::string& target);

}  // namespace mind::support

#endif  // MIND_TESTS_SUPPORT_LOOPBACK_H_
