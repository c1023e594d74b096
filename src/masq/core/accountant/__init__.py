"""The Accountant: who owes whom, paying, being paid, and banning those who don't (accounting.md 1 and 2)."""
