"""The promotion rule: is a version good enough to replace the one that serves?"""
