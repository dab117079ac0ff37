/// Whether more of a quantity is better (a rate), less (seconds, memory), or neither (a count).
package enum Preference: String, Sendable { case more, less, neither }
