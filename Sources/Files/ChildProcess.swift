import Glibc

/// Starts a program that reads nothing and writes to files.
/// - Parameters:
///   - arguments: the program (a path, or a name that PATH finds) and its arguments.
///   - output: the file of its standard output, overwritten.
///   - errors: the file of its standard error, overwritten; `output` itself sends both to one file.
/// - Returns: the process, which the caller waits for.
/// - Throws: `Fault` .unavailable when it cannot be started.
package func startProcess(_ arguments: [String], output: String, errors: String) throws -> pid_t {
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  let creating = O_WRONLY | O_CREAT | O_TRUNC
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, creating, 0o600)
  if errors == output {
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
  } else {
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors, creating, 0o600)
  }
  // The parent may ignore SIGINT so that it can tidy up. Its children must still end by it.
  var attributes = posix_spawnattr_t()
  posix_spawnattr_init(&attributes)
  defer { posix_spawnattr_destroy(&attributes) }
  var signals = sigset_t()
  sigemptyset(&signals)
  sigaddset(&signals, SIGINT)
  posix_spawnattr_setsigdefault(&attributes, &signals)
  posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))

  var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
  pointers.append(nil)
  defer { pointers.forEach { free($0) } }
  var child: pid_t = 0
  let code = posix_spawnp(&child, arguments[0], &actions, &attributes, pointers, environ)
  guard code == 0 else {
    throw Fault(.unavailable, "\(arguments[0]): cannot be started: \(errorText(code))")
  }
  return child
}
